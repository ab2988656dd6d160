//! The client against a registry that says what it is told.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::json;

use super::stub::{Mood, Stub};
use super::*;
use crate::format::{DecodeError, EncodeError};

fn schema(text: &str) -> Written {
    Written { text: text.into(), references: Vec::new() }
}

/// An error, and every error below it.
fn found<E: std::error::Error + Clone + 'static>(error: &(dyn std::error::Error + 'static)) -> Option<E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref::<E>().cloned())
}

#[tokio::test]
async fn a_schema_is_asked_for_once() {
    let stub = Stub::start().await;
    stub.knows(7, "\"long\"");
    let client = stub.client();
    for _ in 0..3 {
        let schema = client.schema(7).await.unwrap();
        assert_eq!((&*schema.text, &schema.kind), ("\"long\"", &SchemaKind::Avro));
    }
    assert_eq!(stub.requests(), ["GET 7"]);
}

#[tokio::test]
async fn look_ups_at_the_same_time_share_a_request_and_its_failure() {
    let stub = Stub::start().await;
    stub.knows(7, "\"long\"");
    stub.mood(Mood::Silent);
    let client = Arc::new(stub.client());
    let asking: Vec<_> = (0..20)
        .map(|_| {
            tokio::spawn({
                let client = Arc::clone(&client);
                async move { client.schema(7).await }
            })
        })
        .collect();
    stub.let_go(1);
    for asking in asking {
        asking.await.unwrap().unwrap();
    }
    assert_eq!(stub.requests(), ["GET 7"]);
}

#[tokio::test]
async fn whoever_is_cut_off_while_asking_leaves_the_others_their_answer() {
    let stub = Stub::start().await;
    stub.knows(7, "\"long\"");
    stub.mood(Mood::Silent);
    let client = stub.client();
    let first = client.schema(7).now_or_never();
    assert!(first.is_none());
    stub.let_go(1);
    client.schema(7).await.unwrap();
    assert_eq!(stub.requests(), ["GET 7"]);
}

#[tokio::test]
async fn each_failure_is_a_type_of_its_own_and_none_is_kept() {
    let stub = Stub::start().await;
    let client = stub.client();
    let failed = |status, code: u32| Mood::Says(status, json!({ "error_code": code, "message": "so it is" }));
    let address = stub.url.clone();

    let error = DecodeError::from(client.schema(7).await.unwrap_err());
    assert!(matches!(error, DecodeError::Unknown(_)), "{error:?}");
    assert_eq!(found::<UnknownSchemaId>(&error).unwrap(), UnknownSchemaId { id: 7, address: address.clone() });

    for status in [401, 403] {
        stub.mood(failed(status, u32::from(status)));
        let error = DecodeError::from(client.schema(7).await.unwrap_err());
        assert!(matches!(error, DecodeError::Unavailable(_)), "{error:?}");
        let reason = "so it is".to_owned();
        assert_eq!(found::<RegistryRefused>(&error).unwrap(), RegistryRefused { address: address.clone(), status, reason });
    }
    for (status, code) in [(500, 50001), (503, 503), (429, 429), (404, 404), (404, 0)] {
        stub.mood(failed(status, code));
        let error = DecodeError::from(client.schema(7).await.unwrap_err());
        assert!(matches!(error, DecodeError::Unavailable(_)), "{error:?}");
        let reason = found::<RegistryUnreachable>(&error).unwrap().reason;
        assert!(reason.contains(&status.to_string()) && reason.contains("so it is"), "{reason}");
    }
    stub.mood(Mood::Well);
    stub.knows(7, "\"long\"");
    client.schema(7).await.unwrap();
}

#[tokio::test]
async fn a_registry_that_is_down_or_silent_comes_back() {
    let stub = Stub::start().await;
    stub.knows(7, "\"long\"");
    stub.mood(Mood::Silent);
    let client = Registry::new(&stub.settings().timeout(Duration::from_millis(50))).unwrap();
    let error = DecodeError::from(client.schema(7).await.unwrap_err());
    assert!(matches!(error, DecodeError::Unavailable(_)), "{error:?}");
    stub.mood(Mood::Well);
    client.schema(7).await.unwrap();

    let nobody = Registry::new(&SchemaRegistrySettings::new("http://me:hunter2@127.0.0.1:1")).unwrap();
    let error = found::<RegistryUnreachable>(&DecodeError::from(nobody.schema(7).await.unwrap_err())).unwrap();
    assert_eq!(error.address, "http://…@127.0.0.1:1");
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
}

#[tokio::test]
async fn the_next_address_is_asked_when_one_cannot_say() {
    let (behind, leader) = (Stub::start().await, Stub::start().await);
    leader.knows(7, "\"long\"");
    let both = |first: &str, second: &str| Registry::new(&SchemaRegistrySettings::new(format!("{first}, {second}/"))).unwrap();

    both("http://127.0.0.1:1", &leader.url).schema(7).await.unwrap();
    both(&behind.url, &leader.url).schema(7).await.unwrap();
    // Who is down might have known it.
    let error = both(&behind.url, "http://127.0.0.1:1").schema(7).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unreachable(_)), "{error:?}");
    let error = both(&behind.url, &leader.url).schema(8).await.unwrap_err();
    assert!(matches!(error, RegistryError::Unknown(_)), "{error:?}");
    // A registry's own word is not asked for twice.
    behind.mood(Mood::Says(409, json!({ "error_code": 409, "message": "no" })));
    let error = both(&behind.url, &leader.url).id(&SchemaKind::Avro, "s", &schema("1")).await.unwrap_err();
    assert!(matches!(error, RegistryError::Incompatible(_)), "{error:?}");
    assert!(leader.requests().iter().all(|request| !request.starts_with("REGISTER")));
}

#[tokio::test]
async fn credentials_are_sent() {
    let stub = Stub::start().await;
    stub.knows(7, "\"long\"");
    for (settings, sent) in [(stub.settings().basic("me", "pw"), "Basic bWU6cHc="), (stub.settings().token("t"), "Bearer t")] {
        Registry::new(&settings).unwrap().schema(7).await.unwrap();
        assert_eq!(stub.with(|known| known.authorization.clone()).unwrap(), sent);
    }
}

#[tokio::test]
async fn a_schema_is_registered_once_or_only_looked_up() {
    let stub = Stub::start().await;
    let looks = Registry::new(&stub.settings().auto_register(false)).unwrap();
    let error = EncodeError::from(looks.id(&SchemaKind::Avro, "orders-value", &schema("1")).await.unwrap_err());
    assert!(matches!(error, EncodeError::Unfit(_)) && found::<NotRegistered>(&error).is_some(), "{error:?}");

    let client = stub.client();
    for _ in 0..2 {
        assert_eq!(client.id(&SchemaKind::Avro, "orders-value", &schema("1")).await.unwrap(), 1);
    }
    assert_eq!(client.id(&SchemaKind::Json, "orders-value", &schema("1")).await.unwrap(), 2, "the same text in another language");
    assert_eq!(looks.id(&SchemaKind::Avro, "orders-value", &schema("1")).await.unwrap(), 1);
    assert_eq!(stub.requests(), ["FIND orders-value", "REGISTER orders-value", "REGISTER orders-value", "FIND orders-value"]);

    for (status, wanted) in [(409, "not compatible"), (422, "does not take")] {
        stub.mood(Mood::Says(status, json!({ "error_code": status, "message": "field `a`" })));
        let error = EncodeError::from(client.id(&SchemaKind::Avro, "s", &schema("2")).await.unwrap_err());
        let text = std::error::Error::source(&error).unwrap().to_string();
        assert!(text.contains(wanted) && text.contains("field `a`") && text.contains("`s`"), "{text}");
    }
    let error = EncodeError::from(RegistryError::Unreachable(RegistryUnreachable { address: String::new(), reason: String::new() }));
    assert!(matches!(error, EncodeError::Unavailable(_)));
}

#[tokio::test]
async fn references_go_first_and_come_first() {
    let stub = Stub::start().await;
    let reference = |name: &str, references| WrittenReference {
        name: name.to_owned(),
        subject: name.to_owned(),
        schema: Written { text: format!("\"{name}\"").into(), references },
    };
    let inner = reference("Inner", Vec::new());
    let outer = Written { text: "outer".into(), references: vec![reference("Middle", vec![inner.clone()]), inner] };
    let client = stub.client();
    let id = client.id(&SchemaKind::Protobuf, "s", &outer).await.unwrap();
    let subjects: Vec<_> = stub.with(|known| known.registered.iter().map(|(subject, _)| subject.clone()).collect());
    assert_eq!(subjects, ["Inner", "Middle", "Inner", "s"]);
    let body = stub.with(|known| known.by_id[&id].clone());
    assert_eq!(
        body["references"],
        json!([{ "name": "Middle", "subject": "Middle", "version": 1 }, { "name": "Inner", "subject": "Inner", "version": 1 }])
    );
    assert_eq!(body["schemaType"], "PROTOBUF");

    let read = client.schema(id).await.unwrap();
    assert_eq!(read.kind, SchemaKind::Protobuf);
    assert_eq!(read.references.iter().map(|reference| reference.name.as_str()).collect::<Vec<_>>(), ["Inner", "Middle"]);
}

#[tokio::test]
async fn a_name_means_the_schema_that_is_met_first() {
    let stub = Stub::start().await;
    let refers = |to: &[(&str, &str, u32)]| {
        let one = |(name, subject, version): &(&str, &str, u32)| json!({ "name": name, "subject": subject, "version": version });
        json!(to.iter().map(one).collect::<Vec<_>>())
    };
    stub.with(|known| {
        let mut version = |subject: &str, version: u32, text: &str, to: &[(&str, &str, u32)]| {
            known.by_version.insert((subject.to_owned(), version), json!({ "schema": text, "references": refers(to) }));
        };
        version("inner", 1, "first", &[]);
        version("inner", 2, "second", &[]);
        version("other", 1, "another", &[]);
        // A subject is no name: one of two names for it, and one name in two subjects.
        version("middle", 1, "middle", &[("Inner", "inner", 1), ("Alias", "inner", 1)]);
        // A registry that is out of its mind must not send us round for ever.
        version("round", 1, "round", &[("Round", "round", 1)]);
        let to = [("Middle", "middle", 1), ("Inner", "inner", 2), ("Other", "other", 1), ("Round", "round", 1)];
        known.by_id.insert(9, json!({ "schema": "outer", "references": refers(&to) }));
    });
    let read = stub.client().schema(9).await.unwrap();
    let references: Vec<_> = read.references.iter().map(|reference| (reference.name.as_str(), &*reference.text)).collect();
    let expected = [("Inner", "first"), ("Alias", "first"), ("Middle", "middle"), ("Other", "another"), ("Round", "round")];
    assert_eq!(references, expected);
    assert_eq!(stub.requests().len(), 6, "each name is asked for once: {:?}", stub.requests());
}

#[test]
fn bytes_without_the_framing_say_so() {
    assert_eq!(unframe(&[0, 0, 0, 1, 2, 9]).unwrap(), (258, &[9][..]));
    for (bytes, said) in [(&[][..], "there are no bytes"), (&b"{\"a\""[..], "0x7b"), (&[0, 1, 2][..], "0x00 of 3")] {
        let error = unframe(bytes).unwrap_err();
        let unknown = found::<UnknownMagicByte>(&error).unwrap();
        assert!(matches!(error, DecodeError::Malformed(_)) && unknown.to_string().contains(said), "{unknown}");
    }
}

#[test]
fn a_missing_certificate_file_is_an_error_of_the_settings() {
    let error = Registry::new(&SchemaRegistrySettings::new("https://a").ca_file("/no/such")).unwrap_err();
    assert_eq!(error.path(), "schema_registry.ca_file");
}
