"""Modules with the official Python SDKs: IoTHubRegistryManager on the one side, IoTHubModuleClient on the other.

docs/spec/service-rest.md 6, 9, 10; docs/spec/captures-python-c-sdk.md 1.3.
"""
import base64
import os
import queue
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubModuleClient, Message, MethodResponse  # noqa: E402
from azure.iot.hub import IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import CloudToDeviceMethod, QuerySpecification, Twin, TwinProperties  # noqa: E402
from hub import HOST, Hub  # noqa: E402
from msrest.exceptions import HttpOperationError  # noqa: E402

DEADLINE_S = 60
KEYS = [base64.b64encode(bytes([n]) * 32).decode() for n in (1, 2)]


class Modules(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")
        cls.registry = IoTHubRegistryManager.from_connection_string(cls.hub.connection_string)
        cls.hub.create("d")

    def client(self, module):
        key = module.authentication.symmetric_key.primary_key
        client = IoTHubModuleClient.create_from_connection_string(
            f"HostName={HOST};DeviceId={module.device_id};ModuleId={module.module_id};SharedAccessKey={key}",
            server_verification_cert=self.hub.ca)
        self.addCleanup(client.shutdown)
        client.connect()
        return client

    def refused(self, status, call, *arguments):
        with self.assertRaises(HttpOperationError) as caught:
            call(*arguments)
        self.assertEqual(caught.exception.response.status_code, status)

    def test_the_life_of_a_module(self):
        made = self.registry.create_module_with_sas("d", "life", "IotEdge", *KEYS)
        self.assertEqual((made.module_id, made.device_id, made.managed_by), ("life", "d", "IotEdge"))
        self.assertEqual(made.authentication.symmetric_key.secondary_key, KEYS[1])
        self.refused(409, self.registry.create_module_with_sas, "d", "life", "", *KEYS)
        swapped = self.registry.update_module_with_sas("d", "life", "me", made.etag, KEYS[1], KEYS[0])
        self.assertEqual(swapped.authentication.symmetric_key.primary_key, KEYS[1])
        self.refused(412, self.registry.update_module_with_sas, "d", "life", "me", made.etag, *KEYS)
        self.assertIn("life", [module.module_id for module in self.registry.get_modules("d")])
        self.assertEqual(self.registry.get_module("d", "life").managed_by, "me")
        self.refused(412, self.registry.delete_module, "d", "life", made.etag)
        self.registry.delete_module("d", "life", swapped.etag)
        self.refused(404, self.registry.get_module, "d", "life")
        self.refused(404, self.registry.delete_module, "d", "life")

    def test_x509_modules_have_thumbprints(self):
        made = self.registry.create_module_with_x509("d", "x", "", "A" * 40, "B" * 64)
        self.assertEqual(made.authentication.type, "selfSigned")
        self.assertEqual(made.authentication.x509_thumbprint.secondary_thumbprint, "B" * 64)
        made = self.registry.create_module_with_certificate_authority("d", "ca", "")
        self.assertEqual(made.authentication.type, "certificateAuthority")

    def test_its_twin(self):
        client = self.client(self.registry.create_module_with_sas("d", "twin", "", *KEYS))
        desired = queue.Queue()
        client.on_twin_desired_properties_patch_received = desired.put
        self.assertEqual(client.get_twin()["desired"], {"$version": 1})
        client.patch_twin_reported_properties({"firmware": "1.0"})
        patch = Twin(tags={"a": 1}, properties=TwinProperties(desired={"fan": 3}))
        etag = self.registry.get_module_twin("d", "twin").etag
        self.assertEqual(self.registry.update_module_twin("d", "twin", patch, etag).version, 3)
        self.assertEqual(desired.get(timeout=DEADLINE_S), {"fan": 3, "$version": 2})
        self.refused(412, self.registry.update_module_twin, "d", "twin", patch, etag)
        replaced = self.registry.replace_module_twin("d", "twin", Twin(tags={"b": 2}), "*")
        self.assertEqual((replaced.tags, replaced.connection_state), ({"b": 2}, "Connected"))
        found = self.registry.query_iot_hub(QuerySpecification(
            query="SELECT * FROM devices.modules WHERE properties.reported.firmware = '1.0'"))
        self.assertEqual([(twin.device_id, twin.module_id) for twin in found.items], [("d", "twin")])

    def test_its_methods_and_messages(self):
        client = self.client(self.registry.create_module_with_sas("d", "calls", "", *KEYS))

        def answer(request):
            client.send_method_response(
                MethodResponse.create_from_method_request(request, 200, {"was": request.payload}))

        client.on_method_request_received = answer
        method = CloudToDeviceMethod(method_name="hello", payload="world",
                                     response_timeout_in_seconds=30, connect_timeout_in_seconds=60)
        result = self.registry.invoke_device_module_method("d", "calls", method)
        self.assertEqual((result.status, result.payload), (200, {"was": "world"}))
        client.send_message(Message("telemetry"))
        client.send_message_to_output(Message("by an output"), "out1")
        events = [e for e in self.hub.rest("GET", "/events")["events"] if e.get("moduleId") == "calls"]
        bodies = [base64.b64decode(event["bodyBase64"]).decode() for event in events]
        self.assertEqual(bodies, ["telemetry", "by an output"])

    def test_an_edge_device_has_system_modules(self):
        self.registry.create_device_with_sas("edge", *KEYS, "enabled", iot_edge=True)
        self.assertEqual([m.module_id for m in self.registry.get_modules("edge")], ["$edgeAgent", "$edgeHub"])
        agent = self.registry.get_module("edge", "$edgeAgent")
        self.client(agent).patch_twin_reported_properties({"runtime": "up"})
        self.assertEqual(self.registry.get_module_twin("edge", "$edgeAgent").properties.reported["runtime"], "up")
        self.refused(401, self.registry.delete_module, "edge", "$edgeAgent")
        self.registry.delete_device("edge")
        self.refused(404, self.registry.get_modules, "edge")


if __name__ == "__main__":
    unittest.main()
