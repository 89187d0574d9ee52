"""The official Python device SDK with a certificate instead of a key."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient, X509  # noqa: E402
from azure.iot.device.exceptions import CredentialError  # noqa: E402
from hub import HOST, Hub  # noqa: E402


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        cls.dir = tempfile.mkdtemp(prefix="muster-certs-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)

    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.dir, check=True, capture_output=True, text=True).stdout

    def make(self, name, subject, issuer=None, ca=False):
        """Files NAME.key and NAME.pem, signed by itself or by an issuer of the same kind."""
        self.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}",
                     "-keyout", f"{name}.key", "-out", f"{name}.csr")
        with open(os.path.join(self.dir, "extensions"), "w", encoding="ascii") as file:
            file.write(f"basicConstraints=critical,CA:{'TRUE' if ca else 'FALSE'}\n")
        signer = ["-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial"] if issuer else ["-signkey", f"{name}.key"]
        self.openssl("x509", "-req", "-in", f"{name}.csr", "-days", "30", "-extfile", "extensions", "-out", f"{name}.pem", *signer)

    def read(self, name):
        with open(os.path.join(self.dir, f"{name}.pem"), encoding="ascii") as file:
            return file.read()

    def client(self, device_id, name, websockets=False):
        client = IoTHubDeviceClient.create_from_x509_certificate(
            x509=X509(os.path.join(self.dir, f"{name}.pem"), os.path.join(self.dir, f"{name}.key")),
            hostname=HOST, device_id=device_id, server_verification_cert=self.hub.ca,
            websockets=websockets, connection_retry=False)
        self.addCleanup(client.shutdown)
        return client

    def assert_works(self, device_id, name, websockets):
        client = self.client(device_id, name, websockets)
        client.connect()
        client.send_message("{}")
        client.patch_twin_reported_properties({"seen": True})
        self.assertEqual(self.hub.reported(device_id)["seen"], True)

    def assert_refused(self, device_id, name):
        with self.assertRaises(CredentialError):
            self.client(device_id, name).connect()

    def test_a_thumbprint(self):
        self.make("self", "anything")
        self.make("other", "anything")
        print_ = self.openssl("x509", "-in", "self.pem", "-noout", "-fingerprint", "-sha256").split("=")[1].strip()
        self.hub.rest("PUT", "/devices/self", {
            "authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": print_}}})
        for websockets in (False, True):
            self.assert_works("self", "self", websockets)
        self.assert_refused("self", "other")

    def test_a_ca(self):
        self.make("ca", "Factory", ca=True)
        self.make("signed", "signed", issuer="ca")
        self.make("stray", "another", issuer="ca")
        self.hub.rest("PUT", "/devices/signed", {"authentication": {"type": "certificateAuthority"}})
        self.assert_refused("signed", "signed")
        self.hub.rest("PUT", "/certificates/factory", {"certificate": self.read("ca"), "isVerified": True})
        for websockets in (False, True):
            self.assert_works("signed", "signed", websockets)
        self.assert_refused("signed", "stray")


if __name__ == "__main__":
    unittest.main()
