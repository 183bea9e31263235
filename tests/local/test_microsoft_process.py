"""What outlives a run: the process's state, and the machine's certificate authority."""

import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import requests

from local import tls
from local.microsoft.cloud import Cloud
from local.microsoft.keys import KeyRing
from local.microsoft.records import AccessToken
from local.microsoft.snapshot import Keeper, load

from .conftest import CLIENT_ID, AppCertificate, Clock


def test_a_restart_forgets_no_consent_and_no_token(tmp_path: Path) -> None:
    """Consent, refresh tokens, accounts' switches and keys are what they were; the file is private."""
    cloud = Cloud()
    cloud.grant("contoso", CLIENT_ID, ("Mail.Send",))
    cloud.change_account("contoso/ben", disabled=True)
    token = cloud.refresh_tokens.issue(cloud.account("contoso/adele"), CLIENT_ID).value
    path = tmp_path / "microsoft" / "state.json"
    with Keeper(cloud, path):
        pass
    assert path.stat().st_mode & 0o777 == 0o600
    left = load(path)
    assert left is not None
    again = Cloud(state=left[0], keys=left[1])
    assert again.granted(again.account("contoso/olga"), CLIENT_ID) == {"Mail.Send"}
    assert again.account("contoso/ben").disabled
    assert again.refresh_tokens.use(token, CLIENT_ID).account == "contoso/adele"
    assert again.keys.work.kid == cloud.keys.work.kid


def test_what_expired_is_not_carried_along(tmp_path: Path) -> None:
    """Access tokens that ended over an hour ago are dropped, those that live are kept."""
    clock = Clock()
    cloud = Cloud(clock=clock)
    for lifetime in (600, 7200):
        expires = clock() + timedelta(seconds=lifetime)
        cloud.keep_access_token(AccessToken(str(lifetime), CLIENT_ID, None, "", "", frozenset(), expires))
    clock.advance(hours=1.5)
    with Keeper(cloud, tmp_path / "state.json"):
        pass
    assert cloud.access_token("600") is None
    assert cloud.access_token("7200") is not None


def test_a_file_of_another_version_is_refused(tmp_path: Path) -> None:
    """A state that cannot be read is an error, not silently an empty cloud; none at all is fine."""
    assert load(tmp_path / "none.json") is None
    (tmp_path / "old.json").write_text('{"state": 7}')
    with pytest.raises(ValueError, match="validation error"):
        load(tmp_path / "old.json")


def test_the_authority_of_the_machine_survives(tmp_path: Path) -> None:
    """Preparing twice keeps authority and certificate, makes a lost one anew, and keys are private."""
    first = tls.prepare(tmp_path)
    kept = {path: path.read_bytes() for path in (first.ca_file, first.certificate_file, first.key_file)}
    tls.prepare(tmp_path)
    assert {path: path.read_bytes() for path in kept} == kept
    first.certificate_file.unlink()
    tls.prepare(tmp_path)
    assert first.ca_file.read_bytes() == kept[first.ca_file]
    assert first.certificate_file.read_bytes() != kept[first.certificate_file]
    assert {path.stat().st_mode & 0o777 for path in tmp_path.glob("*key*")} == {0o600}


def _ports(port: int) -> list[str]:
    return [text for option in ("--port", "--smtp-port", "--outlook-smtp-port") for text in (option, str(port))]


def _started(run_dir: Path, port: int) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "local.microsoft", *_ports(port), "--run-dir", str(run_dir)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_process_serves_and_ends(tmp_path: Path, app_certificate: AppCertificate, how: signal.Signals) -> None:
    """``python -m local.microsoft`` says where it is, serves there, and ends cleanly when it is told to."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "client.pem").write_text(app_certificate.private_key + app_certificate.certificate)
    with _started(tmp_path, 0) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().split()[2]
            with requests.Session() as session:
                session.trust_env = False
                session.verify = str(tmp_path / "tls" / "ca.pem")
                answer = session.get(f"{url}/common/v2.0/.well-known/openid-configuration", timeout=20)
            assert answer.json()["issuer"] == f"{url}/{{tenantid}}/v2.0"
        finally:
            process.send_signal(how)
            _, problems = process.communicate(timeout=20)
    assert (process.returncode, problems) == (0, "")
    assert (tmp_path / "microsoft" / "state.json").exists()


def test_the_process_says_what_it_lacks(tmp_path: Path) -> None:
    """Without the app's certificate it ends with a sentence, not a traceback."""
    with _started(tmp_path, 0) as process:
        _, problem = process.communicate(timeout=20)
    assert process.returncode == 1
    assert problem.startswith("The app's certificate cannot be read: ")


def test_key_rings_differ() -> None:
    """Two clouds do not sign with each other's keys unless they are given them."""
    assert KeyRing().work.kid != KeyRing().work.kid
