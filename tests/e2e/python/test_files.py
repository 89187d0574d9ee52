"""The official Python device SDK uploads a file: docs/spec/device-http-amqp.md A.4."""
import http.client
import os
import ssl
import sys
import unittest
import urllib.parse

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient  # noqa: E402
from hub import DEADLINE_S, HOST, Hub  # noqa: E402


class Files(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)

    def put(self, info, content):
        """As a storage client does with what the SDK gives."""
        trust = ssl.create_default_context(cadata=self.hub.ca)
        connection = http.client.HTTPSConnection(info["hostName"], 443, context=trust, timeout=DEADLINE_S)
        path = urllib.parse.quote(f"/{info['containerName']}/{info['blobName']}") + info["sasToken"]
        connection.request("PUT", path, content, {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-04-10"})
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.assertEqual(answer.status, 201, text)

    def test_a_file_and_a_failure(self):
        client = IoTHubDeviceClient.create_from_connection_string(
            self.hub.create("camera"), server_verification_cert=self.hub.ca)
        self.addCleanup(client.shutdown)
        client.connect()
        info = client.get_storage_info_for_blob("pictures/a b.jpg")
        self.assertEqual((info["hostName"], info["containerName"], info["blobName"]),
                         (HOST, "uploads", "camera/pictures/a b.jpg"))
        self.put(info, b"bytes")
        client.notify_blob_upload_status(info["correlationId"], True, 200, "ok")
        with open(os.path.join(self.hub.dir, "files/uploads/camera/pictures/a b.jpg"), "rb") as file:
            self.assertEqual(file.read(), b"bytes")
        notice = self.hub.rest("GET", "/messages/serviceBound/filenotifications")
        self.assertEqual((notice["blobName"], notice["blobSizeInBytes"]), ("camera/pictures/a b.jpg", 5))

        failed = client.get_storage_info_for_blob("other.jpg")
        client.notify_blob_upload_status(failed["correlationId"], False, 500, "no camera")
        with self.assertRaises(Exception):
            client.notify_blob_upload_status(failed["correlationId"], True, 200, "ok")


if __name__ == "__main__":
    unittest.main()
