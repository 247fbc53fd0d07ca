"""A caption goes into the file and comes out again, and nothing else changes."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from caption.errors import ImageError
from caption.image.metadata import caption_of, content_hash, with_caption
from caption.image.metadata.pieces import MAX_PIECES

PICTURE = Image.effect_mandelbrot((23, 17), (-2, -1, 1, 1), 20).convert("RGB")
CAPTION = 'a red "ball" & a <blue> 盒子 on a table'
OTHER = "two dogs"


def file(format_name: str, picture: Image.Image = PICTURE, **more: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, format_name, **more)
    return stream.getvalue()


def exif(**more: Any) -> Image.Exif:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "Maker", 6  # Make, Orientation
    tags.get_ifd(0x8769)[0x927C] = b"maker's own notes"
    for tag, value in more.items():
        tags[int(tag[1:], 16)] = value
    return tags


def packet(inside: str) -> bytes:
    return (
        '<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">{inside}</rdf:RDF></x:xmpmeta>'
        f'{" " * 50}<?xpacket end="w"?>'
    ).encode()


RATED = packet(
    '<rdf:Description rdf:about="uuid:1" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"></rdf:Description>'
)
DESCRIBED = packet(
    '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/png"><dc:description>'
    '<rdf:Alt><rdf:li xml:lang="de">Hunde</rdf:li><rdf:li xml:lang="x-default">dogs</rdf:li></rdf:Alt></dc:description>'
    "<dc:title>mine</dc:title></rdf:Description>"
)


def text_chunks() -> PngImagePlugin.PngInfo:
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Author", "somebody")
    chunks.add_itxt("Title", "画", zip=True)
    return chunks


FILES = {
    "jpeg": file("JPEG"),
    "jpeg with everything": file(
        "JPEG",
        exif=exif(),
        icc_profile=b"a profile" * 9999,
        comment=b"hello",
        progressive=True,
        xmp=RATED,
    ),
    "jpeg without JFIF": b"\xff\xd8" + file("JPEG")[20:],
    "jpeg with fill bytes": file("JPEG")[:20] + b"\xff\xff\xff" + file("JPEG")[20:],
    "jpeg with a trailer": file("JPEG", exif=exif()) + b"and a film",
    "png": file("PNG"),
    "png with everything": file(
        "PNG", exif=exif(), icc_profile=b"a profile", pnginfo=text_chunks()
    ),
    "png with a palette": file("PNG", PICTURE.quantize(16), transparency=3),
    "webp": file("WEBP"),
    "webp, lossless": file("WEBP", lossless=True),
    "webp with alpha": file("WEBP", PICTURE.convert("RGBA").rotate(9), lossless=True),
    "webp with everything": file("WEBP", exif=exif(), icc_profile=b"a profile", xmp=RATED),
    "webp, animated": file(
        "WEBP", save_all=True, append_images=[PICTURE.rotate(90), PICTURE.rotate(180)]
    ),
}


@pytest.fixture(params=FILES.values(), ids=list(FILES))
def data(request: pytest.FixtureRequest) -> bytes:
    return request.param


def pixels(data: bytes) -> list[bytes]:
    frames = []
    with Image.open(io.BytesIO(data)) as picture:
        for number in range(getattr(picture, "n_frames", 1)):
            picture.seek(number)
            frames.append(picture.mode.encode() + picture.tobytes())
    return frames


def test_a_caption_comes_back_and_no_pixel_changes(data: bytes) -> None:
    described = with_caption(data, CAPTION)
    assert caption_of(data) is None
    assert caption_of(described) == CAPTION
    assert pixels(described) == pixels(data)
    assert content_hash(described) == content_hash(data)


def test_a_second_caption_replaces_the_first(data: bytes) -> None:
    first, second = with_caption(data, CAPTION), with_caption(data, OTHER)
    replaced = with_caption(first, OTHER)
    assert caption_of(replaced) == OTHER
    assert pixels(replaced) == pixels(data)
    if data[:2] != b"\xff\xd8":  # of a JPEG the room of the old ImageDescription stays
        assert replaced == second
    assert with_caption(replaced, OTHER) == replaced


def test_what_others_read(data: bytes) -> None:
    with Image.open(io.BytesIO(with_caption(data, OTHER))) as picture:
        picture.load()
        assert OTHER in str(picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"])
        if picture.format == "JPEG":
            assert picture.getexif()[0x010E] == OTHER
        if isinstance(picture, PngImagePlugin.PngImageFile):
            assert picture.text["Description"] == OTHER


@pytest.mark.parametrize(
    "name", ["jpeg with everything", "png with everything", "webp with everything"]
)
def test_other_metadata_stays(name: str) -> None:
    with (
        Image.open(io.BytesIO(with_caption(FILES[name], OTHER))) as picture,
        Image.open(io.BytesIO(FILES[name])) as was,
    ):
        picture.load()
        tags = picture.getexif()
        assert (tags[0x010F], tags[0x0112]) == ("Maker", 6)
        assert tags.get_ifd(0x8769)[0x927C] == b"maker's own notes"
        assert picture.info["icc_profile"] == was.info["icc_profile"]
        assert picture.info.get("comment") == was.info.get("comment")
        if isinstance(picture, PngImagePlugin.PngImageFile):
            assert (picture.text["Author"], picture.text["Title"]) == ("somebody", "画")
        else:
            xmp = picture.info["xmp"].decode()
            assert 'xmp:Rating="4"' in xmp
            assert xmp.count('rdf:about="uuid:1"') == 2  # all blocks speak of the same thing


def test_a_description_in_several_languages_is_one_property() -> None:
    described = with_caption(file("WEBP", xmp=DESCRIBED), OTHER)
    assert caption_of(file("WEBP", xmp=DESCRIBED)) == "dogs"
    assert caption_of(described) == OTHER
    assert b"Hunde" not in described
    assert b"<dc:title>mine</dc:title>" in described
    assert b'dc:format="image/png"' in described


def test_descriptions_of_others() -> None:
    """A PNG's own text counts; of a JPEG a camera's "OLYMPUS DIGITAL CAMERA" doesn't, and stays."""
    chunks = PngImagePlugin.PngInfo()
    chunks.add_text("Description", "Käse")
    assert caption_of(file("PNG", pnginfo=chunks)) == "Käse"
    chunks = PngImagePlugin.PngInfo()
    chunks.add_itxt("Description", "奶酪", zip=True)
    assert caption_of(file("PNG", pnginfo=chunks)) == "奶酪"
    camera = file("JPEG", exif=exif(x010E="OLYMPUS DIGITAL CAMERA"))
    assert caption_of(camera) is None
    with Image.open(io.BytesIO(with_caption(camera, OTHER))) as picture:
        assert picture.getexif()[0x010E] == "OLYMPUS DIGITAL CAMERA"


def test_a_damaged_exif_block_is_left_alone() -> None:
    for block in (b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"):
        segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
        described = with_caption(FILES["jpeg"][:20] + segment + FILES["jpeg"][20:], OTHER)
        assert caption_of(described) == OTHER
        assert segment in described


def test_the_content_is_the_picture() -> None:
    for name in ("JPEG", "PNG", "WEBP"):
        plain = content_hash(file(name))
        upright = exif()
        upright[0x0112] = 1
        assert content_hash(file(name, exif=upright)) == plain
        assert content_hash(file(name, exif=exif())) != plain  # it is turned
        assert content_hash(file(name, PICTURE.rotate(180))) != plain
    assert content_hash(b"anything") != content_hash(b"anything else")
    assert len(content_hash(b"")) == 64


def segment(marker: bytes, body: bytes) -> bytes:
    return marker + struct.pack(">H", len(body) + 2) + body


def with_packet(xmp: bytes) -> bytes:
    return (
        FILES["jpeg"][:20]
        + segment(b"\xff\xe1", b"http://ns.adobe.com/xap/1.0/\0" + xmp)
        + FILES["jpeg"][20:]
    )


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


REFUSED = {
    "GIF": (file("GIF"), "unsupported_format"),
    "TIFF": (file("TIFF"), "unsupported_format"),
    "nothing": (b"", "unsupported_format"),
    "half a JPEG": (FILES["jpeg"][:100], "image_invalid"),
    "a JPEG's end alone": (b"\xff\xd8\xff\xd9", "image_invalid"),
    "half a PNG": (FILES["png"][:-20], "image_invalid"),
    "a PNG that begins otherwise": (FILES["png"][:8] + FILES["png"][33:], "image_invalid"),
    "half a WebP": (FILES["webp"][:-20], "image_invalid"),
    "a WebP without a picture": (b"RIFF\x0c\0\0\0WEBPNONE\0\0\0\0", "image_invalid"),
    "further pictures, then XMP": (
        FILES["jpeg"][:20] + segment(b"\xff\xe2", b"MPF\0MM\0*") + with_packet(RATED)[20:],
        "image_invalid",
    ),
    "no room": (with_packet(RATED[:-20] + b" " * (65_400 - len(RATED)) + RATED[-20:]), "too_large"),
    "no XML": (with_packet(b"<rdf:RDF>"), "image_invalid"),
    "not UTF-8": (with_packet(b"\xff" + RATED), "image_invalid"),
    "no place": (with_packet(b"<x/>"), "image_invalid"),
    "entities": (with_packet(b'<!DOCTYPE x [<!ENTITY a "b">]>' + RATED), "image_invalid"),
    "a description without an end": (with_packet(b"<dc:description>"), "image_invalid"),
    "an attribute": (
        with_packet(
            packet(
                '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" dc:description="dogs"></rdf:Description>'
            )
        ),
        "image_invalid",
    ),
    "another prefix": (
        with_packet(DESCRIBED.replace(b"dc:", b"me:").replace(b"xmlns:dc", b"xmlns:me")),
        "image_invalid",
    ),
    "a bomb": (
        FILES["png"][:33]
        + chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(3_000_000)))
        + FILES["png"][33:],
        "image_invalid",
    ),
    "a million pieces": (
        FILES["png"][:33] + chunk(b"teXt", b"") * MAX_PIECES + FILES["png"][33:],
        "image_invalid",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize(("bad", "code"), REFUSED.values(), ids=REFUSED)
def test_refused(bad: bytes, code: str) -> None:
    with pytest.raises(ImageError) as caught:
        with_caption(bad, OTHER)
    assert caught.value.code == code
    assert content_hash(bad)


@given(
    st.sampled_from(sorted(FILES)),
    st.text(st.characters(exclude_categories=["Cc", "Cs", "Cn"]), min_size=1, max_size=300).filter(
        str.strip
    ),
)
def test_any_caption_comes_back(name: str, caption: str) -> None:
    described = with_caption(FILES[name], caption)
    assert caption_of(described) == caption
    assert caption_of(with_caption(described, OTHER)) == OTHER


@given(st.data())
def test_damaged_files_are_refused_or_keep_their_picture(draw: st.DataObject) -> None:
    data = bytearray(with_caption(FILES[draw.draw(st.sampled_from(sorted(FILES)))], CAPTION))
    for _ in range(draw.draw(st.integers(1, 3))):
        data[draw.draw(st.integers(0, min(900, len(data) - 1)))] = draw.draw(st.integers(0, 255))
    damaged = bytes(data[: draw.draw(st.sampled_from([len(data), len(data) // 2]))])
    try:
        described = with_caption(damaged, OTHER)
    except ImageError:
        return
    assert caption_of(described) == OTHER
    assert content_hash(described) == content_hash(damaged)
