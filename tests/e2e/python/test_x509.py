"""The official Python device SDK with a certificate instead of a key."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient, IoTHubModuleClient, X509  # noqa: E402
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
        common_name = subject.replace("/", "\\/")
        self.openssl("req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={common_name}",
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

    def module(self, module_id, name, websockets=False):
        client = IoTHubModuleClient.create_from_x509_certificate(
            x509=X509(os.path.join(self.dir, f"{name}.pem"), os.path.join(self.dir, f"{name}.key")),
            hostname=HOST, device_id="d", module_id=module_id, server_verification_cert=self.hub.ca,
            websockets=websockets, connection_retry=False)
        self.addCleanup(client.shutdown)
        return client

    def fingerprint(self, name):
        return self.openssl("x509", "-in", f"{name}.pem", "-noout", "-fingerprint", "-sha256").split("=")[1].strip()

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
        self.hub.rest("PUT", "/devices/self", {
            "authentication": {"type": "selfSigned", "x509Thumbprint": {"primaryThumbprint": self.fingerprint("self")}}})
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

    def test_modules(self):
        self.make("mca", "Module factory", ca=True)
        self.make("by_ca", "d/signed", issuer="mca")
        self.make("of_device", "d", issuer="mca")
        self.make("by_print", "anything")
        self.hub.rest("PUT", "/certificates/modules", {"certificate": self.read("mca"), "isVerified": True})
        self.hub.rest("PUT", "/devices/d", {"authentication": {"type": "certificateAuthority"}})
        self.hub.rest("PUT", "/devices/d/modules/signed", {"authentication": {"type": "certificateAuthority"}})
        self.hub.rest("PUT", "/devices/d/modules/own", {
            "authentication": {"type": "selfSigned", "x509Thumbprint": {"secondaryThumbprint": self.fingerprint("by_print")}}})
        for websockets in (False, True):
            for module_id, name in (("signed", "by_ca"), ("own", "by_print")):
                client = self.module(module_id, name, websockets)
                client.connect()
                client.send_message("{}")
                client.send_message_to_output("{}", "out")
                client.patch_twin_reported_properties({"seen": True})
                twin = self.hub.rest("GET", f"/twins/d/modules/{module_id}")
                self.assertEqual(twin["properties"]["reported"]["seen"], True)
        for module_id, name in (("signed", "of_device"), ("signed", "by_print"), ("own", "by_ca")):
            with self.assertRaises(CredentialError):
                self.module(module_id, name).connect()


if __name__ == "__main__":
    unittest.main()
