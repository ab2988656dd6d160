//! The rule of `kafka_skip` as PostgreSQL triggers, for every writer. Text only.
//!
//! A trigger sees values, not whether a statement named a column; but a trigger `OF` a column fires only where it is named. So the
//! first turns "given as true" into null, which nothing else can be there, and the second applies the rule.

/// The setting by which a transaction says that it is suppressed: `on`, or anything else.
#[cfg_attr(not(feature = "diesel"), allow(dead_code, reason = "said in queries"))]
pub(super) const SETTING: &str = "kafka_kit.suppress_all";

/// The functions, in the schema that `{schema}` stands for. They serve all tables of it.
pub(super) const FUNCTIONS: &str = r"CREATE OR REPLACE FUNCTION {schema}kafka_skip_given() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.kafka_skip := CASE WHEN NEW.kafka_skip THEN NULL ELSE false END;
  RETURN NEW;
END $$;
CREATE OR REPLACE FUNCTION {schema}kafka_skip_rule() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  suppressed boolean := coalesce(current_setting('kafka_kit.suppress_all', true), '') = 'on';
  moved tid;
BEGIN
  IF TG_OP = 'INSERT' THEN
    NEW.kafka_skip := suppressed OR coalesce(NEW.kafka_skip, false);
    RETURN NEW;
  ELSIF TG_OP = 'UPDATE' THEN
    NEW.kafka_skip := suppressed OR NEW.kafka_skip IS NULL;
    RETURN NEW;
  ELSIF OLD.kafka_skip = suppressed THEN
    RETURN OLD;
  END IF;
  -- The deletion is to carry the flag: the row gets it first, and what is deleted is the row as it is then.
  EXECUTE format('UPDATE %s SET kafka_skip = $1 WHERE ctid = $2 RETURNING ctid', TG_RELID::regclass) INTO moved USING suppressed, OLD.ctid;
  IF moved IS NULL THEN
    RETURN OLD;
  END IF;
  EXECUTE format('DELETE FROM %s WHERE ctid = $1', TG_RELID::regclass) USING moved;
  RETURN NULL;
END $$;
";

/// The triggers of a table. Those before a row fire in the order of their names.
pub(super) const TRIGGERS: &str = r"DROP TRIGGER IF EXISTS kafka_skip_1_given ON {table};
CREATE TRIGGER kafka_skip_1_given BEFORE UPDATE OF kafka_skip ON {table}
  FOR EACH ROW EXECUTE FUNCTION {schema}kafka_skip_given();
DROP TRIGGER IF EXISTS kafka_skip_2_rule ON {table};
CREATE TRIGGER kafka_skip_2_rule BEFORE INSERT OR UPDATE OR DELETE ON {table}
  FOR EACH ROW EXECUTE FUNCTION {schema}kafka_skip_rule();
";

/// Takes the triggers away. The functions stay: other tables use them.
pub(super) const NO_TRIGGERS: &str = r"DROP TRIGGER IF EXISTS kafka_skip_1_given ON {table};
DROP TRIGGER IF EXISTS kafka_skip_2_rule ON {table};
";
