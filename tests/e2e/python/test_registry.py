"""The official Python service SDK drives the registry: every call of it that travels over HTTPS."""
import base64
import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import (  # noqa: E402
    AuthenticationMechanism, CloudToDeviceMethod, ExportImportDevice, QuerySpecification, SymmetricKey, Twin, TwinProperties)
from azure.iot.device import IoTHubDeviceClient, MethodResponse  # noqa: E402
from msrest.exceptions import HttpOperationError  # noqa: E402
from hub import Hub  # noqa: E402

ONE, TWO = (base64.b64encode(bytes([i]) * 32).decode() for i in (1, 2))
SHA1, SHA256 = "AB" * 20, "CD" * 32


class Registry(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")
        cls.registry = IoTHubRegistryManager.from_connection_string(cls.hub.connection_string)

    def assert_fault(self, status, name, call, *arguments, **named):
        with self.assertRaises(HttpOperationError) as caught:
            call(*arguments, **named)
        self.assertEqual(caught.exception.response.status_code, status)
        self.assertEqual(caught.exception.response.headers["iothub-errorcode"], name)

    def test_devices_with_keys(self):
        r = self.registry
        made = r.create_device_with_sas("sas", ONE, TWO, "enabled", status_reason="new")
        self.assertEqual((made.device_id, made.status, made.status_reason), ("sas", "enabled", "new"))
        self.assertEqual(made.connection_state, "Disconnected")
        self.assertEqual(made.status_updated_time.year, 1)
        self.assert_fault(409, "DeviceAlreadyExists", r.create_device_with_sas, "sas", ONE, TWO, "enabled")
        self.assert_fault(400, "ArgumentInvalid", r.create_device_with_sas, "short", "MQ==", "Mg==", "enabled")
        off = r.update_device_with_sas("sas", made.etag, TWO, ONE, "disabled", status_reason="stolen")
        self.assertEqual(off.authentication.symmetric_key.primary_key, TWO)
        self.assertGreater(off.status_updated_time.year, 2000)
        self.assertEqual(off.generation_id, made.generation_id)
        self.assert_fault(412, "PreconditionFailed", r.update_device_with_sas, "sas", made.etag, ONE, TWO, "enabled")
        again = r.update_device_with_sas("sas", None, ONE, TWO, "enabled")
        self.assertNotEqual(again.etag, off.etag)
        self.assertGreater(again.status_updated_time, off.status_updated_time)
        self.assertEqual(r.get_device("sas").etag, again.etag)
        self.assert_fault(412, "PreconditionFailed", r.delete_device, "sas", off.etag)
        r.delete_device("sas", again.etag)
        self.assert_fault(404, "DeviceNotFound", r.get_device, "sas")
        self.assert_fault(404, "DeviceNotFound", r.delete_device, "sas")
        self.assert_fault(404, "DeviceNotFound", r.update_device_with_sas, "sas", None, ONE, TWO, "enabled")

    def test_devices_with_certificates(self):
        r = self.registry
        made = r.create_device_with_x509("x509", SHA1, None, "enabled")
        self.assertEqual(made.authentication.type, "selfSigned")
        self.assertEqual(made.authentication.x509_thumbprint.primary_thumbprint, SHA1)
        self.assertIsNone(made.authentication.symmetric_key.primary_key)
        both = r.update_device_with_x509("x509", made.etag, SHA256, SHA1, "enabled")
        self.assertEqual(both.authentication.x509_thumbprint.secondary_thumbprint, SHA1)
        self.assert_fault(400, "ArgumentInvalid", r.update_device_with_x509, "x509", None, "AB", None, "enabled")
        signed = r.update_device_with_certificate_authority("x509", None, "disabled")
        self.assertEqual(signed.authentication.type, "certificateAuthority")
        self.assertIsNone(signed.authentication.x509_thumbprint.primary_thumbprint)
        made = r.create_device_with_certificate_authority("signed", "enabled")
        self.assertEqual(made.authentication.type, "certificateAuthority")

    def test_modules(self):
        r = self.registry
        r.create_device_with_sas("parent", ONE, TWO, "enabled")
        made = r.create_module_with_sas("parent", "m", "me", ONE, TWO)
        self.assertEqual((made.device_id, made.module_id, made.managed_by), ("parent", "m", "me"))
        self.assert_fault(409, "ModuleAlreadyExistsOnDevice", r.create_module_with_sas, "parent", "m", "me", ONE, TWO)
        r.create_module_with_x509("parent", "x", "me", SHA1, SHA256)
        r.create_module_with_certificate_authority("parent", "ca", "me")
        changed = r.update_module_with_sas("parent", "m", "you", made.etag, TWO, ONE)
        self.assertEqual(changed.managed_by, "you")
        self.assert_fault(412, "PreconditionFailed", r.update_module_with_sas, "parent", "m", "you", made.etag, TWO, ONE)
        self.assertEqual(r.update_module_with_x509("parent", "x", "me", None, SHA256, SHA1).authentication.type, "selfSigned")
        self.assertEqual(r.update_module_with_certificate_authority("parent", "m", "me", None).authentication.type, "certificateAuthority")
        self.assertEqual([m.module_id for m in r.get_modules("parent")], ["ca", "m", "x"])
        self.assertEqual(r.get_module("parent", "x").authentication.x509_thumbprint.primary_thumbprint, SHA256)
        twin = r.update_module_twin("parent", "m", Twin(properties=TwinProperties(desired={"fan": 1})))
        self.assertEqual(twin.properties.desired["fan"], 1)
        twin = r.replace_module_twin("parent", "m", Twin(properties=TwinProperties(desired={"led": 2})), twin.etag)
        self.assertNotIn("fan", twin.properties.desired)
        self.assertEqual(r.get_module_twin("parent", "m").properties.desired["led"], 2)
        r.delete_module("parent", "m")
        self.assert_fault(404, "ModuleNotFound", r.get_module, "parent", "m")

    def test_twins_and_queries(self):
        r = self.registry
        r.create_device_with_sas("twin", ONE, TWO, "enabled")
        twin = r.update_twin("twin", Twin(tags={"site": "north"}, properties=TwinProperties(desired={"fan": 1})))
        self.assertEqual((twin.version, twin.tags), (3, {"site": "north"}))
        self.assert_fault(412, "PreconditionFailed", r.update_twin, "twin", Twin(tags={}), "AAAAAAAAAAE=")
        replaced = r.replace_twin("twin", Twin(tags={"site": "south"}), twin.etag)
        self.assertEqual(replaced.tags, {"site": "south"})
        self.assertEqual(r.get_twin("twin").device_id, "twin")
        found = r.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE tags.site = 'south'"))
        self.assertEqual([(twin.device_id, found.type) for twin in found.items], [("twin", "Twin")])
        self.assertIsNone(found.continuation_token)
        self.assert_fault(404, "DeviceNotFound", r.get_twin, "nobody")

    def test_pages_of_a_query(self):
        r = self.registry
        for i in range(3):
            r.create_device_with_sas(f"page{i}", ONE, TWO, "enabled")
        query, token, seen = QuerySpecification(query="SELECT * FROM devices WHERE STARTSWITH(deviceId, 'page')"), None, []
        while True:
            page = r.query_iot_hub(query, token, 2)
            seen += [twin.device_id for twin in page.items]
            token = page.continuation_token
            if not token:
                break
        self.assertEqual(seen, ["page0", "page1", "page2"])

    def test_bulk(self):
        r = self.registry
        keys = AuthenticationMechanism(type="sas", symmetric_key=SymmetricKey(primary_key=ONE, secondary_key=TWO))
        names = [f"bulk{i}" for i in range(3)]
        done = r.bulk_create_or_update_devices(
            [ExportImportDevice(id=name, import_mode="create", status="enabled", authentication=keys) for name in names])
        self.assertTrue(done.is_successful)
        done = r.bulk_create_or_update_devices([
            ExportImportDevice(id="bulk0", import_mode="create", authentication=keys),
            ExportImportDevice(id="bulk1", import_mode="updateIfMatchETag", e_tag="MQ==", authentication=keys),
            ExportImportDevice(id="bulk2", import_mode="delete"),
            ExportImportDevice(id="bulk3", import_mode="update", authentication=keys)])
        self.assertFalse(done.is_successful)
        self.assertEqual([(e.device_id, e.error_code, e.operation) for e in done.errors], [
            ("bulk0", "DeviceAlreadyExists", "create"), ("bulk1", "PreconditionFailed", "updateIfMatchETag"),
            ("bulk3", "DeviceNotFound", "update")])
        self.assert_fault(404, "DeviceNotFound", r.get_device, "bulk2")

    def test_statistics_and_lists(self):
        r = self.registry
        r.create_device_with_sas("listed", ONE, TWO, "disabled")
        counts = r.get_device_registry_statistics()
        devices = r.get_devices()
        self.assertEqual(counts.total_device_count, len(devices))
        self.assertEqual(counts.disabled_device_count, sum(device.status == "disabled" for device in devices))
        self.assertEqual(counts.total_device_count, counts.enabled_device_count + counts.disabled_device_count)
        self.assertEqual(len(r.get_devices(1)), 1)
        self.assertEqual(r.get_service_statistics().connected_device_count, 0)

    def test_methods_and_presence(self):
        r = self.registry
        r.create_device_with_sas("called", ONE, TWO, "enabled")
        client = IoTHubDeviceClient.create_from_connection_string(
            f"HostName=myhub.hub.test;DeviceId=called;SharedAccessKey={ONE}", server_verification_cert=self.hub.ca)
        self.addCleanup(client.shutdown)
        client.connect()
        client.on_method_request_received = lambda request: client.send_method_response(
            MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))
        answer = r.invoke_device_method("called", CloudToDeviceMethod(
            method_name="echo", payload=5, response_timeout_in_seconds=30, connect_timeout_in_seconds=30))
        self.assertEqual((answer.status, answer.payload), (200, {"was": 5}))
        device, twin = r.get_device("called"), r.get_twin("called")
        self.assertEqual((device.connection_state, twin.connection_state), ("Connected", "Connected"))
        self.assertGreater(device.last_activity_time.year, 2000)
        self.assertGreater(device.connection_state_updated_time.year, 2000)
        self.assertEqual(r.get_service_statistics().connected_device_count, 1)
        found = r.query_iot_hub(QuerySpecification(query="SELECT * FROM devices WHERE connectionState = 'Connected'"))
        self.assertEqual([(twin.device_id, twin.connection_state) for twin in found.items], [("called", "Connected")])
        self.assert_fault(404, "DeviceNotFound", r.invoke_device_method, "nobody", CloudToDeviceMethod(method_name="echo"))


if __name__ == "__main__":
    unittest.main()
