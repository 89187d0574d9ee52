"""The official Python device SDK against a real hub: docs/spec/captures-python-c-sdk.md.

It speaks TLS 1.2 only, publishes everything at QoS 1, and never subscribes again after a reconnect.
"""
import os
import queue
import sys
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient, Message, MethodResponse  # noqa: E402
from azure.iot.device.exceptions import ClientError, CredentialError  # noqa: E402
from hub import Hub  # noqa: E402

DEADLINE_S = 60


class Device:
    """An SDK client with its calls and desired changes in queues."""

    def __init__(self, hub, connection_string, websockets=False):
        self.client = IoTHubDeviceClient.create_from_connection_string(
            connection_string, websockets=websockets, server_verification_cert=hub.ca,
            connection_retry_interval=1)
        self.connected = queue.Queue()
        self.calls = queue.Queue()
        self.desired = queue.Queue()
        self.client.on_connection_state_change = lambda: self.connected.put(self.client.connected)
        self.client.connect()
        assert self.connected.get(timeout=DEADLINE_S)

    def listen(self):
        def answer(request):
            self.calls.put((request.name, request.payload))
            response = MethodResponse.create_from_method_request(request, 200, {"was": request.payload})
            self.client.send_method_response(response)

        self.client.on_method_request_received = answer
        self.client.on_twin_desired_properties_patch_received = self.desired.put
        self.client.get_twin()

    def lost_and_found(self):
        """Wait until the SDK has noticed a loss and connected again by itself."""
        while self.connected.get(timeout=DEADLINE_S):
            pass
        while not self.connected.get(timeout=DEADLINE_S):
            pass


class WithHub(unittest.TestCase):
    websockets = False

    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)

    def device(self, device_id):
        connection_string = self.hub.create(device_id)
        device = Device(self.hub, connection_string, self.websockets)
        self.addCleanup(device.client.shutdown)
        return device

    def assert_hears(self, device, device_id, step):
        """Calls, desired changes and twin answers all reach the device."""
        answer = self.hub.call(device_id, "echo", step)
        self.assertEqual(answer, {"status": 200, "payload": {"was": step}})
        self.assertEqual(device.calls.get(timeout=DEADLINE_S), ("echo", step))
        self.hub.desire(device_id, {"step": step})
        while device.desired.get(timeout=DEADLINE_S).get("step") != step:
            pass  # on a reconnect the SDK itself tells of what it missed
        self.assertEqual(device.client.get_twin()["desired"]["step"], step)


class Mqtt(WithHub):
    def test_telemetry_is_acknowledged(self):
        device = self.device("telemetry")
        message = Message('{"t": 1}', message_id="mid 1", content_type="application/json",
                          content_encoding="utf-8")
        message.correlation_id = "c/1"
        message.custom_properties["a b"] = "x=y & z"
        device.client.send_message(message)
        for number in range(20):
            device.client.send_message(str(number))

    def test_messages_come_with_their_properties(self):
        device = self.device("messages")
        messages = queue.Queue()
        self.hub.send("messages", "before", {"iothub-messageid": "m-0"})
        device.client.on_message_received = messages.put
        self.assertEqual(messages.get(timeout=DEADLINE_S).data, b"before")
        self.hub.send("messages", "hello c2d", {
            "iothub-messageid": "m-1", "iothub-correlationid": "c/1", "iothub-ack": "full",
            "iothub-contenttype": "text/plain", "iothub-contentencoding": "utf-8",
            "iothub-app-prop1": "a string", "iothub-app-prop2": ""})
        message = messages.get(timeout=DEADLINE_S)
        self.assertEqual((message.data, message.message_id, message.correlation_id, message.ack),
                         (b"hello c2d", "m-1", "c/1", "full"))
        self.assertEqual((message.content_type, message.content_encoding), ("text/plain", "utf-8"))
        self.assertEqual((message.custom_properties["prop1"], message.custom_properties["prop2"]),
                         ("a string", ""))

    def test_twin_and_methods(self):
        device = self.device("twin")
        self.assertEqual(device.client.get_twin(),
                         {"desired": {"$version": 1}, "reported": {"$version": 1}})
        device.listen()
        self.assert_hears(device, "twin", "first")
        device.client.patch_twin_reported_properties({"fw": {"v": "1.0"}, "gone": None})
        reported = self.hub.reported("twin")
        self.assertEqual((reported["fw"], reported["$version"]), ({"v": "1.0"}, 2))
        self.assertNotIn("gone", reported)

    def test_a_refused_report_is_an_error(self):
        device = self.device("refused")
        with self.assertRaises(ClientError):
            device.client.patch_twin_reported_properties({"long": "x" * 5000})
        device.client.patch_twin_reported_properties({"short": "x"})

    def test_a_lost_socket_leaves_the_device_hearing(self):
        device = self.device("lost")
        device.listen()
        self.assert_hears(device, "lost", "before")
        # A second client of the same device takes the connection over and leaves: to the first one
        # that is a lost socket. It has clean session 0 and subscribes nothing.
        key = self.hub.rest("GET", "/devices/lost")["authentication"]["symmetricKey"]["primaryKey"]
        other = IoTHubDeviceClient.create_from_connection_string(
            f"HostName=myhub.hub.test;DeviceId=lost;SharedAccessKey={key}",
            server_verification_cert=self.hub.ca, auto_connect=False, connection_retry=False)
        other.connect()
        other.shutdown()
        device.lost_and_found()
        self.assert_hears(device, "lost", "after")

    def test_a_restart_of_the_hub_leaves_the_device_hearing(self):
        device = self.device("restart")
        device.listen()
        self.assert_hears(device, "restart", "before")
        self.hub.restart()
        device.lost_and_found()
        self.assert_hears(device, "restart", "after")

    def test_a_wrong_key_is_refused(self):
        self.hub.create("wrong")
        client = IoTHubDeviceClient.create_from_connection_string(
            "HostName=myhub.hub.test;DeviceId=wrong;SharedAccessKey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
            server_verification_cert=self.hub.ca, connection_retry=False)
        self.addCleanup(client.shutdown)
        with self.assertRaises(CredentialError):
            client.connect()

    def test_a_job_reaches_the_device(self):
        device = self.device("job")
        device.listen()
        self.hub.rest("PUT", "/jobs/v2/reboot", {
            "jobId": "reboot", "type": "scheduleDeviceMethod", "queryCondition": "deviceId = 'job'",
            "cloudToDeviceMethod": {"methodName": "reboot", "payload": {"delay": 5}}})
        self.assertEqual(device.calls.get(timeout=DEADLINE_S), ("reboot", {"delay": 5}))
        self.hub.rest("PUT", "/jobs/v2/paint", {
            "jobId": "paint", "type": "scheduleUpdateTwin", "queryCondition": "deviceId = 'job'",
            "updateTwin": {"etag": "*", "properties": {"desired": {"color": "red"}}}})
        self.assertEqual(device.desired.get(timeout=DEADLINE_S)["color"], "red")


class MqttOverWebSocket(WithHub):
    websockets = True

    def test_everything_works_there_too(self):
        device = self.device("ws")
        device.client.send_message("hello")
        device.listen()
        self.assert_hears(device, "ws", "first")
        device.client.patch_twin_reported_properties({"ok": True})
        self.assertEqual(self.hub.reported("ws")["ok"], True)


if __name__ == "__main__":
    unittest.main()
