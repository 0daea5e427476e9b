"""Torch files without torch: written by hand, and two that torch 2.13 wrote."""

import base64
import struct
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
from hostile_torch import (
    call,
    encode,
    legacy_tensor,
    name,
    pickled,
    storage,
    tensor,
    torch_legacy,
    torch_zip,
)

from sphereufm.errors import UnreadableFileError
from sphereufm.features import load_features, open_arrays

SIX = np.arange(6, dtype=np.float32)

# torch.save({"f": torch.arange(12).reshape(3, 4).to(torch.bfloat16).t(), "y": torch.tensor([0, 1, 1, 0])}, ...)
GENUINE = {
    "zip.pt": (
        "c-oy*J#W)c6n*}vlR5?Z5l|2k>Vgy`NbS^dlA)?&Au~KALiwt?SgzwH7H-_<ytEVvsS;|Xj<B#H*!Tso@)uZ;Dj1NMnAn(k&"
        "q*5FDQV$K*0Zd8&ON^O+*gMj4?sE%MnVKR@N}VJVXLt9#543PSUVy1*yjl3R~Z7>K#Yz3z-|@HE_S_+Xa>%D*Yz4EcG?|3Ft"
        ">{$V)Oac6iM!oOsnZ2t_Kly!}BdHtM_}~MZ|}k5}H`$$Z2nNkpQPKO5KA1@{l_~X~;nS08Jj+w(oh4ja|Rp5$^^KCvY0KTpN"
        "o>yuN}m7)`C9b0OO<I^QA!T7#l@{C4xW;Ds<nM$;_;@)*s8h4#@bWcJbAVT*EQF}k>dE_Dlam`Z>7uygdAAm~&7YZqrghIFy"
        "8;Rl-*Hn*LiLu49yYS2uXQhogO?FB8)jHSwgB}&!roN0M(v%TrGv7uK_9L<?RRj7dF9rTkWCD^e7GGKxTSl`8tPrGdB3|RAA"
        "j6H{P>@WSeERZZ=EJqsfeOE0=hEBiiEdx!{_O!R!C+)iiYSXp(npC5V@OAESj%4IcVJr?9WkWCgV=D$MOyV2_)p6zBZFQc!&"
        "yUqH39b_z#}mGGHX(~5t?>Cx^Wo|J&w&axK=`X2Cvb@ao>|oPrrR)d<-bfIl~h@lDy8D0Dp%FAR4P^#xvZ4sk}NG&tBR_sO0"
        "ld|s7mg^k(nnt@}WwG4ZGjh8QlhPMEUR@N#df`pNU}%28?b_5*{^fHU@v$gO6-Wk|Ao_OpIZc1yQ>vfl+tHhxLdB#~x3jqF#"
        "!l-Vaf75*78wWDF&7VCcFeEIP1U4E8F7oouB#6oec7ysO;J$fCv1ul-%A@Pkzm=*<r1gyAaH;e^n`q{IAP?jLzuJQx"
    ),
    "legacy.pt": (
        "c-n1H%TB^T6zvPq5fGn=JC=1rcvO^?tubuICvLhi4Ynh#X*%3?N`eVVHxTg~T)6Zz{1mr-f{6>K5QrhpVjgGiz2}igFUbFSZ"
        "GD#>->>(}iFENL^L+?{Y8C}S=!KL~oBCFtgpo%B5P5-_=Rdy3m`^McI9?|J>DfdaWP={DBJYVrAP+%N%?t-4mxc^7STbe)@&"
        "X1cSTU7!1`WE9#Y!B{IYo{>fM_!s+HTp3nde8y3dw!!`Hsa%5Yf=;*APgmYG%{nyt30JAkSLRY0IY_R&CtQa0H53;AKs%UaM"
        "D+kF;i^UeO>km16f|E+u!#AbW!atYCQzt60R!7}h2>ckL6KanljH3LO#>=ghMi0(8)Zbq2XM<fnQEP;j{%cP`<ayIRn1EYWL"
        "+ng&IeC%|bpr?ey3!r}<FCvG}<hrw<e_R>V|(nS7g7yq*)k#ZX8-z6@c^OalNk`qDK^+bQuKlD#sFp5UWs2IOARE3="
    ),
}


def opened(folder, content):
    (folder / "x.pt").write_bytes(content)
    return open_arrays(folder / "x.pt")


@pytest.mark.parametrize("container", [torch_zip, torch_legacy])
def test_containers(tmp_path, container):
    made = tensor() if container is torch_zip else legacy_tensor()
    found = opened(tmp_path, container({"model": {"fc.weight": made}, "epoch": 3, "name": "x"}))
    assert list(found) == ["model.fc.weight"]
    assert found["model.fc.weight"].name == "x.pt:model.fc.weight"
    assert np.array_equal(found["model.fc.weight"].read(), SIX.reshape(2, 3))


@pytest.mark.parametrize("container", GENUINE)
def test_files_of_torch(tmp_path, container):
    pytest.importorskip("ml_dtypes")
    found = opened(tmp_path, zlib.decompress(base64.b85decode(GENUINE[container])))
    assert found["f"].dtype == np.float32
    assert np.array_equal(found["f"].read(), np.arange(12.0).reshape(3, 4).T)
    assert np.array_equal(found["y"].read(), [0, 1, 1, 0])


@pytest.mark.parametrize(
    ("shape", "strides", "offset"),
    [
        ((2, 3), (3, 1), 0),
        ((3, 2), (1, 3), 0),
        ((2,), (2,), 1),
        ((), (), 4),
        ((4, 3), (0, 1), 2),
        ((0, 3), (3, 1), 9),
    ],
)
def test_views(tmp_path, shape, strides, offset):
    source = opened(tmp_path, torch_zip(tensor(None, offset, shape, strides)))["array"]
    padded = np.concatenate([SIX, np.zeros(10, np.float32)])
    expected = np.lib.stride_tricks.as_strided(padded[offset:], shape, [4 * s for s in strides])
    assert source.shape == shape
    assert np.array_equal(source.read(), expected)


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        ("DoubleStorage", "f8"),
        ("HalfStorage", "f2"),
        ("LongStorage", "i8"),
        ("CharStorage", "i1"),
        ("BoolStorage", "b1"),
    ],
)
def test_storage_types(tmp_path, kind, dtype):
    array = np.array([1, 0, 1], dtype)
    made = tensor(storage(kind, numel=3), 0, (3,), (1,))
    source = opened(tmp_path, torch_zip(made, {"0": array.tobytes()}))["array"]
    assert source.dtype == array.dtype
    assert np.array_equal(source.read(), array)


def test_big_endian(tmp_path):
    content = torch_zip(tensor(), {"0": SIX.astype(">f4").tobytes()}, byteorder=b"big")
    assert np.array_equal(opened(tmp_path, content)["array"].read(), SIX.reshape(2, 3))


def test_lazy_sign_and_conjugate(tmp_path):
    numbers = np.array([1 + 2j, 3 - 4j], np.complex64)
    made = tensor(storage("ComplexFloatStorage", numel=2), 0, (2,), (1,), {"conj": True, "neg": True})
    found = opened(tmp_path, torch_zip(made, {"0": numbers.tobytes()}))
    assert np.array_equal(found["array"].read(), -numbers.conj())


def test_untyped_storage(tmp_path):
    made = tensor(
        storage("UntypedStorage", numel=6, module="torch.storage"),
        1,
        (2,),
        (1,),
        name("torch", "uint16"),
        function="_rebuild_tensor_v3",
    )
    found = opened(tmp_path, torch_zip(made, {"0": np.array([7, 8, 65535], np.uint16).tobytes()}))
    assert np.array_equal(found["array"].read(), [8, 65535])


def test_state_dict_with_metadata(tmp_path):
    ordered = call(name("collections", "OrderedDict"))
    ops = ordered + encode("w") + tensor() + b"s" + encode({"_metadata": OrderedDict({"": 1})}) + b"b"
    found = opened(tmp_path, torch_zip(b"\x80\x02" + ops + b"."))
    assert list(found) == ["w"]


def test_parameters_of_both_kinds(tmp_path):
    plain = call(name("torch._utils", "_rebuild_parameter"), tensor(), True, None)
    buffer = call(
        name("torch._tensor", "_rebuild_from_type_v2"),
        name("torch._utils", "_rebuild_tensor_v2"),
        name("torch.nn.parameter", "Buffer"),
        (storage(), 0, (6,), (1,), False, None),
        {},
    )
    found = opened(tmp_path, torch_zip({"a": plain, "b": buffer}))
    assert np.array_equal(found["a"].read(), SIX.reshape(2, 3))
    assert np.array_equal(found["b"].read(), SIX)


def test_lists_of_batches_are_joined(tmp_path):
    pair = (tensor(), tensor(None, 0, (2,), (1,)))
    found = opened(
        tmp_path, torch_zip({"pairs": [pair, pair], "maps": [{"f": tensor()}] * 3, "one": [tensor()]})
    )
    assert {key: array.shape for key, array in found.items()} == {
        "pairs.0": (4, 3),
        "pairs.1": (4,),
        "maps.f": (6, 3),
        "one": (2, 3),
    }
    assert np.array_equal(found["pairs.0"].read(), np.tile(SIX.reshape(2, 3), (2, 1)))


def test_lists_of_numbers_are_vectors(tmp_path):
    found = opened(
        tmp_path, torch_zip({"x": tensor(), "labels": [0, 1], "loss": [0.5, 1], "mixed": [1, "a"]})
    )
    assert np.array_equal(found["labels"].read(), [0, 1])
    assert found["loss"].dtype == np.float64
    assert "mixed" not in found


def test_lists_of_unequal_tensors_are_numbered(tmp_path):
    found = opened(tmp_path, torch_zip([tensor(), tensor(None, 0, (6,), (1,))]))
    assert list(found) == ["0", "1"]


def test_a_checkpoint_as_classifier(tmp_path):
    head = {
        "fc.weight": tensor(),
        "fc.bias": tensor(None, 0, (2,), (1,)),
        "bn.weight": tensor(None, 0, (6,), (1,)),
    }
    (tmp_path / "net.pth").write_bytes(torch_zip({"state_dict": head}))
    np.save(tmp_path / "f.npy", np.ones((4, 3)))
    found = load_features(tmp_path / "f.npy", labels=[0, 1, 1, 0], classifier=tmp_path / "net.pth")
    assert np.array_equal(found.classifier, SIX.reshape(2, 3))
    assert np.array_equal(found.bias, [0, 1])
    assert found.chosen[2] == "classifier: net.pth:state_dict.fc.weight (2, 3) float32"


@pytest.mark.parametrize(
    ("module", "attribute", "words"),
    [
        ("torch.nn.modules.linear", "Linear", "whole module"),
        ("numpy._core.multiarray", "_reconstruct", "numpy object"),
        ("torch._utils", "_rebuild_sparse_tensor", "sparse"),
        ("argparse", "Namespace", "object of 'argparse' 'Namespace'"),
    ],
)
def test_refusals_say_what_to_do_and_concern_the_entry_alone(tmp_path, module, attribute, words):
    foreign = call(name(module, attribute), "argument")
    with pytest.raises(UnreadableFileError, match=rf"x\.pt is refused: .*{words}.*; (save|use)"):
        opened(tmp_path, torch_zip(foreign))
    found = opened(tmp_path, torch_zip({"x": tensor(), "y": foreign}))
    assert np.array_equal(found["x"].read(), SIX.reshape(2, 3))
    with pytest.raises(UnreadableFileError, match=rf"x\.pt:y is refused: .*{words}.*; (save|use)"):
        found["y"].read()


def test_a_plain_pickle_is_not_a_torch_file(tmp_path):
    with pytest.raises(UnreadableFileError, match="is a pickle, which is never loaded"):
        opened(tmp_path, pickled({"x": 1}))


def test_only_the_wanted_bytes_are_read(tmp_path, monkeypatch):
    """A view of a large storage costs its own bytes, not the storage's."""
    path = Path(tmp_path / "x.pt")
    path.write_bytes(
        torch_zip(tensor(storage(numel=10**6), 5 * 10**5, (2, 3), (3, 1)), {"0": bytes(4 * 10**6)})
    )
    source = open_arrays(path)["array"]
    taken = []
    import sphereufm.features.readers.stored as stored

    original = stored.read_exactly
    monkeypatch.setattr(
        stored, "read_exactly", lambda h, view, n: (taken.append(len(view)), original(h, view, n))
    )
    assert np.array_equal(source.read(), np.zeros((2, 3)))
    assert taken == [24]


def test_float_pattern_of_the_storage():
    """The helper's default storage holds 0 .. 5."""
    assert struct.pack("<6f", *range(6)) == SIX.tobytes()


def test_steps_of_many_axes_are_no_shape(tmp_path):
    shape = (2,) * 12
    strides = tuple(2**a for a in range(12))[::-1]
    made = tensor(storage(numel=4096), 0, shape, strides)
    found = opened(tmp_path, torch_zip(made, {"0": np.arange(4096, dtype=np.float32).tobytes()}))
    assert np.array_equal(found["array"].read(), np.arange(4096.0).reshape(shape))
