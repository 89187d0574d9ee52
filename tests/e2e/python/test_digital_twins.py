"""Digital twins with the official Python SDKs: a device that announces a model, a service that knows it by that.

docs/spec/service-rest.md 16; docs/spec/captures-python-c-sdk.md 1.2.
"""
import os
import queue
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient, MethodResponse  # noqa: E402
from azure.iot.hub import DigitalTwinClient  # noqa: E402
from hub import Hub  # noqa: E402
from msrest.exceptions import HttpOperationError  # noqa: E402

DEADLINE_S = 60
MODEL = "dtmi:com:example:Thermostat;1"


class DigitalTwins(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")
        cls.service = DigitalTwinClient.from_connection_string(cls.hub.connection_string)
        cls.device = IoTHubDeviceClient.create_from_connection_string(
            cls.hub.create("t1"), server_verification_cert=cls.hub.ca, product_info=MODEL)
        cls.addClassCleanup(cls.device.shutdown)
        cls.desired = queue.Queue()
        cls.device.connect()
        cls.device.on_twin_desired_properties_patch_received = cls.desired.put
        cls.device.get_twin()

    def test_a_model_properties_and_components(self):
        self.device.patch_twin_reported_properties({"serial": "a", "motor": {"__t": "c", "rpm": 7}})
        twin = self.service.get_digital_twin("t1")
        self.assertEqual(twin["$metadata"]["$model"], MODEL)
        self.assertEqual((twin["serial"], twin["motor"]["rpm"]), ("a", 7))

    def test_an_update_reaches_the_device(self):
        self.service.update_digital_twin("t1", [{"op": "add", "path": "/target", "value": 21}])
        self.assertEqual(self.desired.get(timeout=DEADLINE_S)["target"], 21)
        with self.assertRaises(HttpOperationError) as caught:
            self.service.update_digital_twin("t1", [{"op": "remove", "path": "/target"}], 'W/"AAAAAAAAAGM="')
        self.assertEqual(caught.exception.response.status_code, 412)

    def test_commands_of_the_device_and_of_a_component(self):
        def answer(request):
            self.device.send_method_response(
                MethodResponse.create_from_method_request(request, 201, {request.name: request.payload}))

        self.device.on_method_request_received = answer
        self.assertEqual(self.service.invoke_command("t1", "reboot", {"delay": 1}, 30, 30), {"reboot": {"delay": 1}})
        self.assertEqual(self.service.invoke_component_command("t1", "motor", "stop", 5, 30, 30), {"motor*stop": 5})


if __name__ == "__main__":
    unittest.main()
