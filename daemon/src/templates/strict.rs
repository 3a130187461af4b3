//! Makes an undefined name an error wherever it is used. The engine itself returns an error if an undefined value is
//! written, counted or iterated over. This module adds the error for the members of lists, and for the arguments of
//! filters and tests, which would treat an undefined value as empty.
//!
//! Only `default` and `is defined` accept an undefined name.

use minijinja::value::{FunctionArgs, FunctionResult, Rest, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State, filters, functions::Function, tests};

/// The maximum nesting of lists and tables.
const MAX_NESTING: usize = 16;

macro_rules! strictly {
    ($names:ident, $add:ident, $one:ident, $from:ident: $($name:literal $function:ident),* $(,)?) => {
        pub const $names: &[&str] = &[$($name),*];

        fn $add(environment: &mut Environment<'static>) {
            $($one(environment, $name, $from::$function);)*
        }
    };
}

// The engine's other filters and tests return an error for an undefined name, or test whether a name is defined.
strictly!(
    FILTERS, add_filters, filter, filters:
    "safe" safe, "length" length, "count" length, "reverse" reverse, "dictsort" dictsort, "items" items, "first" first,
    "last" last, "groupby" groupby, "escape" escape, "e" escape, "lower" lower, "upper" upper, "title" title,
    "capitalize" capitalize, "trim" trim, "join" join, "split" split, "round" round, "int" int, "float" float,
    "min" min, "max" max, "sort" sort, "list" list, "string" string, "bool" bool, "batch" batch, "slice" slice,
    "sum" sum, "indent" indent, "select" select, "reject" reject, "selectattr" selectattr, "rejectattr" rejectattr,
    "map" map, "unique" unique, "chain" chain, "zip" zip, "pprint" pprint, "format" format, "tojson" tojson,
);
strictly!(
    TESTS, add_tests, test, tests:
    "none" is_none, "boolean" is_boolean, "odd" is_odd, "even" is_even, "number" is_number, "integer" is_integer,
    "int" is_integer, "float" is_float, "string" is_string, "sequence" is_sequence, "iterable" is_iterable,
    "mapping" is_mapping, "lower" is_lower, "upper" is_upper, "sameas" is_sameas, "eq" is_eq, "equalto" is_eq,
    "==" is_eq, "ne" is_ne, "!=" is_ne, "in" is_in, "true" is_true, "false" is_false,
);

/// Replaces filters and tests of the engine with strict ones.
pub fn add(environment: &mut Environment<'static>) {
    add_filters(environment);
    add_tests(environment);
}

/// Returns an error if the value, or anything in it, is undefined. Reading the value consumes fuel, because some of the
/// engine's filters read it without consuming any.
pub fn check_defined(state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    read_to(state, value, MAX_NESTING)
}

fn read_to(state: &State<'_, '_>, value: &Value, depth_left: usize) -> Result<(), Error> {
    state.consume_fuel(1 + value.as_str().map_or(0, str::len) as u64 / 64)?;
    match value.kind() {
        // The engine's error for this access contains the name.
        ValueKind::Undefined => Err(value.get_attr("name").err().unwrap_or_else(|| ErrorKind::UndefinedError.into())),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map if depth_left == 0 => {
            Err(Error::new(ErrorKind::InvalidOperation, "this is nested too deeply"))
        }
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|member| read_to(state, &member, depth_left - 1))
        }
        ValueKind::Map => value.try_iter()?.try_for_each(|key| read_to(state, &value.get_item(&key)?, depth_left - 1)),
        _ => Ok(()),
    }
}

fn filter<F, Rv, Args>(environment: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    environment.add_filter(name, checked(function));
}

fn test<F, Rv, Args>(environment: &mut Environment<'static>, name: &'static str, function: F)
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    environment.add_test(name, checked(function));
}

fn checked<F, Rv, Args>(
    function: F,
) -> impl Fn(&mut State<'_, '_>, Rest<Value>) -> Result<Value, Error> + Send + Sync + 'static
where
    F: Function<Rv, Args>,
    Rv: FunctionResult,
    Args: for<'a> FunctionArgs<'a>,
{
    let function = Value::from_function(function);
    move |state: &mut State<'_, '_>, arguments: Rest<Value>| {
        arguments.iter().try_for_each(|argument| check_defined(state, argument))?;
        function.call(state, &arguments)
    }
}
