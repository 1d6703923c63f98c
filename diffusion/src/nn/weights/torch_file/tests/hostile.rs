//! Pickles that want to call something, or to exhaust memory: each is refused by what it wanted.

use std::collections::BTreeSet;

use super::problem;
use super::writer::*;
use crate::nn::weights::torch_file::instruction::*;

/// A kind, a pickled value, and what the error says.
type Hostile = (&'static str, Vec<u8>, String);

const NAMES: [(&str, &str); 12] = [
    ("os", "system"),
    ("posix", "system"),
    ("nt", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("__builtin__", "exec"),
    ("builtins", "getattr"),
    ("builtins", "__import__"),
    ("importlib", "import_module"),
    ("pickle", "loads"),
    ("torch.storage", "_load_from_bytes"),
    ("torch.hub", "load"),
];

/// Every way in which a pickle calls a name.
fn calls(module: &str, name: &str) -> Vec<Hostile> {
    let callable = global(module, name);
    let arguments = tuple(&[text("id")]);
    let stacked = joined(&[&text(module), &text(name), &[STACK_GLOBAL]]);
    let lines = format!("{module}\n{name}\n").into_bytes();
    let reduced = joined(&[&callable, &arguments, &[REDUCE]]);
    let id = tuple(&[
        text("storage"),
        callable.clone(),
        text("0"),
        text("cpu"),
        integer(6),
    ]);
    let whole = tuple(&[text("module"), callable.clone(), text("a.py"), text("")]);
    let pickles = [
        ("REDUCE", reduced.clone()),
        ("STACK_GLOBAL", joined(&[&stacked, &arguments, &[REDUCE]])),
        ("INST", joined(&[&[MARK], &text("id"), &[INST], &lines])),
        ("OBJ", joined(&[&[MARK], &callable, &text("id"), &[OBJ]])),
        ("NEWOBJ", joined(&[&callable, &arguments, &[NEWOBJ]])),
        (
            "NEWOBJ_EX",
            joined(&[&callable, &arguments, &[EMPTY_DICT, NEWOBJ_EX]]),
        ),
        (
            "BUILD",
            joined(&[&callable, &dictionary(&[("a", text("b"))]), &[BUILD]]),
        ),
        ("APPEND", joined(&[&callable, &text("id"), &[APPEND]])),
        (
            "SETITEM",
            joined(&[&callable, &text("a"), &text("b"), &[SETITEM]]),
        ),
        ("persistent id", joined(&[&id, &[BINPERSID]])),
        ("whole module", joined(&[&whole, &[BINPERSID]])),
        (
            "memo",
            joined(&[&callable, &[BINPUT, 9, POP, BINGET, 9], &arguments, &[REDUCE]]),
        ),
        (
            "beside tensors",
            dictionary(&[("a", tensor(6, 0, &[6], &[1])), ("b", reduced.clone())]),
        ),
        ("hooks", {
            let storage = storage(&global("torch", "FloatStorage"), "0", 6);
            dictionary(&[("a", tensor_of(&storage, 0, &[6], &[1], &reduced))])
        }),
        (
            "state",
            joined(&[&hooks(), &dictionary(&[("_metadata", reduced.clone())]), &[BUILD]]),
        ),
        (
            "protocol 0",
            joined(&[&callable, b"(S'id \\' \"'\np0\ntp1\nRp2\n"]),
        ),
    ];
    let expected = format!("`{module}.{name}");
    pickles
        .map(|(kind, value)| (kind, value, expected.clone()))
        .to_vec()
}

/// Names and values that look like what may be called.
fn disguises() -> Vec<Hostile> {
    let reduce = |callable: &[u8]| joined(&[callable, &[EMPTY_TUPLE, REDUCE]]);
    let named = |module: &str, name: &str| reduce(&global(module, name));
    [
        ("disguised name", named("os\r", "system"), "`os\\r.system`"),
        (
            "disguised name",
            named("collections.OrderedDict", "__init__"),
            "`collections.OrderedDict.__init__`",
        ),
        (
            "disguised name",
            named("collections", "OrderedDict.__class__"),
            "`collections.OrderedDict.__class__`",
        ),
        (
            "disguised name",
            named("Collections", "OrderedDict"),
            "`Collections.OrderedDict`",
        ),
        (
            "disguised name",
            named("torch", "_utils._rebuild_tensor_v2"),
            "`torch._utils._rebuild_tensor_v2`",
        ),
        (
            "disguised name",
            named("collections ", "OrderedDict"),
            "`collections .OrderedDict`",
        ),
        ("disguised name", named("", "eval"), "`.eval`"),
        (
            "disguised name",
            reduce(b"cos\nsys\xfftem\n"),
            "a name that is no text",
        ),
        (
            "disguised name",
            joined(&[&integer(1), &text("system"), &[STACK_GLOBAL]]),
            "a name that is no text",
        ),
        (
            "value",
            reduce(&joined(&[&[EMPTY_LIST], &text("os.system"), &[APPEND]])),
            "`a list`",
        ),
        ("value", reduce(&text("os.system")), "`a text`"),
        ("value", reduce(&[EMPTY_DICT]), "`a dictionary`"),
        ("value", reduce(&[EMPTY_TUPLE]), "`a tuple`"),
        ("value", reduce(&[NONE]), "`None`"),
        (
            "value",
            reduce(&reduce(&global("torch", "device"))),
            "`an object`",
        ),
        ("value", reduce(&tensor(6, 0, &[6], &[1])), "`a tensor`"),
        (
            "value",
            joined(&[&[EMPTY_LIST], &[EMPTY_DICT, BUILD]]),
            "`a list.__setstate__`",
        ),
        (
            "value",
            joined(&[&tensor(6, 0, &[6], &[1]), &[EMPTY_DICT, BUILD]]),
            "`a tensor.__setstate__`",
        ),
        (
            "value",
            joined(&[
                &global("torch._utils", "_rebuild_tensor_v2"),
                &[EMPTY_TUPLE, NEWOBJ],
            ]),
            "`torch._utils._rebuild_tensor_v2`",
        ),
        ("EXT", vec![EXT1, 7], "`extension 7 of copyreg`"),
        ("EXT", vec![EXT2, 7, 1], "`extension 263 of copyreg`"),
        ("EXT", vec![EXT4, 7, 0, 0, 1], "`extension 16777223 of copyreg`"),
        ("PERSID", b"Pos.system\n".to_vec(), "a persistent id"),
        (
            "PERSID",
            joined(&[&text("os.system"), &[BINPERSID]]),
            "a persistent id",
        ),
        (
            "PERSID",
            joined(&[&tuple(&[text("storage"), text("os.system")]), &[BINPERSID]]),
            "a persistent id",
        ),
        (
            "unknown",
            vec![0x97],
            "an instruction that no file of tensors has",
        ),
        (
            "unknown",
            vec![0x00],
            "an instruction that no file of tensors has",
        ),
        ("name alone", global("os", "system"), "the name `os.system`"),
    ]
    .map(|(kind, value, expected)| (kind, value, expected.to_owned()))
    .to_vec()
}

/// Lengths, sizes and depths that no memory has.
fn bombs() -> Vec<Hostile> {
    let float = global("torch", "FloatStorage");
    let entry = |value: Vec<u8>| dictionary(&[("a", value)]);
    let stored = |count: i64| entry(storage(&float, "0", count));
    let laughs = {
        let mut value = joined(&[&[EMPTY_LIST], &integer(1), &[APPEND]]);
        for _ in 0..30 {
            value = joined(&[&[EMPTY_LIST], &value, &[BINPUT, 0, APPEND, BINGET, 0, APPEND]]);
        }
        value
    };
    let deep = [vec![EMPTY_LIST; 100_000], vec![APPEND; 99_999]].concat();
    let cycle = joined(&[&[EMPTY_LIST, BINPUT, 0, BINGET, 0, APPEND]]);
    let dictionary_cycle = joined(&[&[EMPTY_DICT, BINPUT, 0], &text("a"), &[BINGET, 0, SETITEM]]);
    let cut = "It ends within";
    let beyond = "has a tensor that reaches beyond its storage";
    let no_size = "a size, stride or offset that cannot be";
    [
        ("length", vec![LONG4, 0xff, 0xff, 0xff, 0x7f], cut),
        (
            "length",
            vec![LONG4, 0xff, 0xff, 0xff, 0xff],
            "a length below zero",
        ),
        ("length", vec![BINUNICODE, 0xff, 0xff, 0xff, 0xff], cut),
        ("length", joined(&[&[BINUNICODE8], &[0xff; 8]]), cut),
        ("length", joined(&[&[BINBYTES8], &[0xff; 8]]), cut),
        ("length", joined(&[&[BYTEARRAY8], &[0xff; 8]]), cut),
        (
            "length",
            vec![BINSTRING, 0xff, 0xff, 0xff, 0xff],
            "a length below zero",
        ),
        ("length", vec![SHORT_BINSTRING, 0xff], cut),
        (
            "length",
            [vec![GLOBAL], vec![b'a'; 10_000]].concat(),
            "a line that is too long",
        ),
        ("frame", joined(&[&[FRAME], &[0xff; 8]]), "a frame of its pickle"),
        (
            "frame",
            joined(&[&[FRAME], &100_u64.to_le_bytes()]),
            "a frame of its pickle",
        ),
        ("depth", entry(deep), "dictionaries and lists in each other"),
        ("depth", vec![MARK; 100_000], "containers in each other"),
        ("depth", entry(laughs), "values that are held again and again"),
        ("cycle", entry(cycle), "dictionaries and lists in each other"),
        ("cycle", dictionary_cycle, "dictionaries and lists in each other"),
        (
            "memo",
            vec![BINGET, 3],
            "recalls a value that it did not remember",
        ),
        (
            "memo",
            vec![LONG_BINGET, 0xff, 0xff, 0xff, 0xff],
            "recalls a value",
        ),
        ("memo", b"g-1\n".to_vec(), "a place that is none"),
        ("stack", vec![POP], "takes a value that is not there"),
        ("stack", vec![TUPLE2], "takes a value that is not there"),
        (
            "stack",
            vec![NONE, MARK, REDUCE],
            "takes a value that is not there",
        ),
        ("stack", vec![], "takes a value that is not there"),
        (
            "stack",
            vec![EMPTY_DICT, MARK, NONE, SETITEMS],
            "a key without a value",
        ),
        ("protocol", vec![PROTO, 6], "a newer protocol"),
        ("storage", stored(-1), "has a size that cannot be"),
        ("storage", stored(i64::MAX), "has a size that cannot be"),
        (
            "storage",
            entry(tensor(7, 0, &[7], &[1])),
            "has another length than the pickle says",
        ),
        (
            "storage",
            entry(tensor(5, 0, &[5], &[1])),
            "has another length than the pickle says",
        ),
        (
            "storage",
            entry(tensor_of(&storage(&float, "../0", 6), 0, &[6], &[1], &hooks())),
            "is lacking",
        ),
        ("tensor", entry(tensor(6, 0, &[7], &[1])), beyond),
        ("tensor", entry(tensor(6, 1, &[6], &[1])), beyond),
        ("tensor", entry(tensor(6, 0, &[2, 3], &[4, 1])), beyond),
        ("tensor", entry(tensor(6, i64::MAX, &[1], &[1])), beyond),
        (
            "tensor",
            entry(tensor(6, 0, &[i64::MAX, i64::MAX], &[0, 0])),
            "more elements than there can be",
        ),
        (
            "tensor",
            entry(tensor(6, 0, &[1 << 40, 1 << 40, 0], &[0, 0, 0])),
            "more elements than there can be",
        ),
        (
            "tensor",
            entry(tensor(6, 0, &[1 << 40], &[0])),
            "repeats the bytes of the file too often",
        ),
        ("tensor", entry(tensor(6, -1, &[6], &[1])), no_size),
        ("tensor", entry(tensor(6, 5, &[6], &[-1])), no_size),
        ("tensor", entry(tensor(6, 0, &[6], &[1, 1])), "do not go together"),
        ("tensor", entry(tensor(6, 0, &[1; 65], &[1; 65])), "no short list"),
        (
            "tensor",
            entry(tensor_of(&[NONE], 0, &[6], &[1], &hooks())),
            "a tensor without a storage",
        ),
        ("nothing", vec![EMPTY_DICT], "It holds no tensors"),
        (
            "nothing",
            vec![EMPTY_LIST],
            "It holds a list, expected a dictionary of tensors",
        ),
        ("nothing", entry(vec![EMPTY_LIST]), "It holds no tensors"),
        (
            "name",
            joined(&[&[EMPTY_DICT, NONE], &tensor(6, 0, &[6], &[1]), &[SETITEM]]),
            "below a key that is neither text nor a number",
        ),
        (
            "name",
            dictionary(&[("a", tensor(6, 0, &[6], &[1])), ("a", tensor(6, 0, &[6], &[1]))]),
            "is there twice",
        ),
        (
            "name",
            dictionary(&[("a".repeat(2000).as_str(), tensor(6, 0, &[6], &[1]))]),
            "a key that is too long",
        ),
    ]
    .map(|(kind, value, expected)| (kind, value, expected.to_owned()))
    .to_vec()
}

#[test]
fn every_pickle_that_is_not_of_tensors_is_refused_by_what_it_wanted() {
    let called = NAMES.iter().flat_map(|(module, name)| calls(module, name));
    let all: Vec<Hostile> = called.chain(disguises()).chain(bombs()).collect();
    let kinds: BTreeSet<&str> = all.iter().map(|(kind, _, _)| *kind).collect();
    assert!(
        all.len() >= 250 && kinds.len() >= 25,
        "{} {}",
        all.len(),
        kinds.len()
    );
    for (kind, value, expected) in all {
        let found = problem(&archive(&value));
        assert!(found.contains(&expected), "{kind}: {found}, not {expected}");
        let found = problem(&legacy(&value));
        // There a storage that no tensor is of, or one of another length, is found first, and no file ends early.
        let is_other = [
            "storage",
            "length",
            "nothing",
            "name alone",
            "value",
            "frame",
            "depth",
            "cycle",
            "name",
        ];
        assert!(
            found.contains(&expected) || is_other.contains(&kind),
            "{kind}: {found}, not {expected}"
        );
    }
}

#[test]
fn what_a_refused_call_is_told_with_helps() {
    let error = super::open(&archive(&calls("os", "system")[0].1)).unwrap_err();
    assert!(error.to_string().contains("model.pt"), "{error}");
    let reason = super::reason(&error);
    assert_eq!(
        reason,
        "Its pickle wants to call `os.system` (at byte 22), which is refused: tensors are read, nothing is called"
    );
    assert!(error.hint().unwrap().contains("state_dict"));
}
