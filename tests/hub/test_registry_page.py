"""What the pages of models show, and what they cost."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rilaas.hub.actions.registry_alias import promote
from rilaas.hub.actions.sharing import set_visibility, share
from rilaas.hub.actions.variant_gate import let_through
from rilaas.hub.models import Model, Person, Variant, Version
from rilaas.hub.templatetags.model_page import markdown, shape
from tests.hub.model_folder import make_folder, push_folder, push_speed

pytestmark = pytest.mark.django_db
KB_150 = 150_000
PAGES = ("/models", "/models.json", "/models/alice/driver", "/models/alice/driver.json", "/models/alice/driver/new")
REST = (
    "/api/v1/models",
    "/api/v1/models/alice/driver",
    "/api/v1/models/alice/driver/versions",
    "/api/v1/models/alice/driver/versions/1",
    "/api/v1/models/alice/driver/aliases",
)


def many_versions(model, count):
    """Versions with two variants each, as rows alone."""
    like = Variant.objects.order_by("pk").first()
    first = model.versions.order_by("-number").first().number + 1
    person = model.owner
    versions = Version.objects.bulk_create(
        Version(
            model=model,
            number=number,
            digest=f"sha256:{number:064x}",
            note=f"note {number} " * 20,
            parent_id=model.versions.order_by("pk").first().pk,
            created_by=person,
        )
        for number in range(first, first + count)
    )
    Variant.objects.bulk_create(
        Variant(
            version=version,
            name=name,
            digest=f"sha256:{version.number:060x}{len(name):04x}",
            archive_sha256=like.archive_sha256,
            archive_bytes=1,
            size_bytes=1,
            manifest=like.manifest,
            files=like.files,
            card=like.card,
        )
        for version in versions
        for name in ("", "int8", "fp16")
    )


def many_models(owner, count):
    Model.objects.bulk_create(
        Model(owner=owner, name=f"model-{number:04}", task="grasping", description="What it does. " * 10)
        for number in range(count)
    )


def count_queries(client, address):
    with CaptureQueriesContext(
        connection,
    ) as captured:
        answer = client.get(address)
        assert answer.status_code == 200
    return len(captured)


def test_a_page_needs_as_many_queries_for_3_rows_as_for_30(alice, browser, program, tmp_path):
    push_speed(alice, tmp_path)
    model = Model.objects.get()
    many_versions(model, 2)
    many_models(alice, 2)
    for number in range(2):
        promote(alice, "alice", "driver", f"alias-{number}", "1", 0)
        share(alice, "model", "alice", "driver", Person.objects.create_user(f"person-{number}").username)
    clients = [(browser(alice), address) for address in PAGES] + [(program(alice, "read"), path) for path in REST]
    for client, address in clients:
        client.get(address)
    few = {address: count_queries(client, address) for client, address in clients}
    many_versions(model, 30)
    for number in range(2, 30):
        promote(alice, "alice", "driver", f"alias-{number}", "1", 0)
        share(alice, "model", "alice", "driver", Person.objects.create_user(f"person-{number}").username)
    Model.objects.bulk_create(Model(owner=alice, name=f"more-{number}") for number in range(27))
    many = {address: count_queries(client, address) for client, address in clients}
    assert many == few
    assert max(few.values()) < 30


def test_pages_stay_small_with_1000_models_and_200_versions(alice, browser, tmp_path):
    folder = make_folder(tmp_path / "driver", card="# A card\n\n" + "It drives. " * 3000)
    (folder / "hooks.py").write_text("# " + "y" * 40_000)
    for number in range(80):
        (folder / f"file-{number}.txt").write_text(str(number))
    push_folder(alice, folder)
    many_versions(Model.objects.get(), 200)
    many_models(alice, 1000)
    client = browser(alice)
    sizes = {address: len(client.get(address).content) for address in PAGES}
    assert max(sizes.values()) < KB_150, sizes
    last = client.get("/models/alice/driver.json?page=5").json()
    assert [row["number"] for row in last["rows"]] == [1]
    assert b"page=2" in client.get("/models/alice/driver").content


def test_a_models_page_says_all_that_it_knows(alice, browser, tmp_path):
    push_speed(alice, tmp_path, note="the first")
    push_speed(alice, tmp_path, 2, name="driver", variant="int8")
    let_through(alice, "alice", "driver", "1@int8", "tried by hand")
    promote(alice, "alice", "driver", "prod", "1@int8", 0)
    text = browser(alice).get("/models/alice/driver?revision=prod").content.decode()
    for words in (
        "UINT8 n × 120 × 160 × 3",
        "camera frame, RGB",
        "m/s",
        "1@int8",
        "SPEED = 2",
        "<em>drives</em>",
        "hooks.py",
        "2.1 GB at most",
        "rilaas pull alice/driver:1@int8",
        'rc.predict({"image": image})',
        "/api/v1/models/alice/driver/versions/1@int8/archive",
        'value="delete-model"',
    ):
        assert words in text, words


def test_a_stranger_of_a_public_model_sees_no_forms(alice, charlie, browser, tmp_path):
    push_speed(alice, tmp_path)
    share(alice, "model", "alice", "driver", Person.objects.create_user("dora").username)
    set_visibility(alice, "model", "alice", "driver", "public")
    answer = browser(charlie).get("/models/alice/driver")
    for act in (b"promote", b"roll-back", b"visibility", b"share", b"delete-model", b"delete-version"):
        assert b'value="%s"' % act not in answer.content
    assert b"dora" not in answer.content
    assert b"Download" in answer.content
    assert browser(charlie).get("/models/alice/driver.json").json()["collaborators"] == []


def test_a_model_without_versions_says_so(alice, browser, tmp_path):
    push_speed(alice, tmp_path)
    done = browser(alice).post("/models/alice/driver", {"act": "delete-version", "revision": "1"})
    assert done.status_code == 303
    assert b"All versions of this model were deleted" in browser(alice).get("/models/alice/driver").content


def test_a_model_is_deleted_only_when_its_name_was_typed(alice, browser, tmp_path):
    push_speed(alice, tmp_path)
    client = browser(alice)
    refused = client.post("/models/alice/driver", {"act": "delete-model", "confirm": "drivr"})
    assert (refused.status_code, b"Nothing was deleted" in refused.content) == (400, True)
    assert client.post("/models/alice/driver", {"act": "delete-model", "confirm": "driver"})["Location"] == "/models"
    assert not Model.objects.exists()


@pytest.mark.parametrize(
    ("search", "found"),
    [("driv", ["alice/driver"]), ("alice/driver", ["alice/driver"]), ("LANE", ["alice/driver"]), ("bob/driver", [])],
)
def test_models_are_found_by_name_task_and_owner(alice, browser, tmp_path, search, found):
    push_speed(alice, tmp_path)
    many_models(alice, 2)
    rows = browser(alice).get("/models.json", {"q": search}).json()["rows"]
    assert [row["ref"] for row in rows] == found


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<script>alert(1)</script>", "&lt;script&gt;"),
        ("[x](javascript:alert(1))", "[x](javascript"),
        ("[x](train.py)", "<p>x</p>"),
        ("[x](https://example.org 'a title')", 'href="https://example.org" rel="nofollow'),
        ('![a "picture"](https://example.org/x.png)', "<em>a &quot;picture&quot;</em>"),
        ("<!-- made by train.py -->\n# Title", "<h3>Title</h3>"),
        ("| a |\n| --- |\n| `b` |", "<td><code>b</code></td>"),
    ],
)
def test_a_card_is_markdown_that_can_do_nothing(text, html):
    shown = markdown(text)
    assert html in shown
    for harm in ("<script", "<img", 'href="javascript', "onerror"):
        assert harm not in shown


def test_a_shape_names_what_is_free():
    assert [shape(sizes) for sizes in ([-1, 3, -1], [2], [])] == ["n × 3 × m", "2", "scalar"]
