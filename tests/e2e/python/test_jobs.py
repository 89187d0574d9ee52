"""The official Python service SDK runs jobs on devices of the official Python device SDK."""
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.device import IoTHubDeviceClient, MethodResponse  # noqa: E402
from azure.iot.hub import IoTHubJobManager, IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import (  # noqa: E402
    CloudToDeviceMethod, JobRequest, QuerySpecification, Twin, TwinProperties)
from msrest.exceptions import HttpOperationError  # noqa: E402
from hub import Hub  # noqa: E402

DEADLINE_S = 60
FINAL = ("completed", "failed", "cancelled")


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")
        cls.jobs = IoTHubJobManager.from_connection_string(cls.hub.connection_string)
        cls.registry = IoTHubRegistryManager.from_connection_string(cls.hub.connection_string)

    def devices(self, prefix, count):
        """New devices with a tag of their own; gives their connection strings."""
        strings = [self.hub.create(f"{prefix}-{i}") for i in range(count)]
        for i in range(count):
            self.registry.update_twin(f"{prefix}-{i}", Twin(tags={"fleet": prefix}), "*")
        return strings

    def connect(self, connection_string, answer):
        client = IoTHubDeviceClient.create_from_connection_string(
            connection_string, server_verification_cert=self.hub.ca)
        self.addCleanup(client.shutdown)

        def call(request):
            status, payload = answer(request)
            client.send_method_response(
                MethodResponse.create_from_method_request(request, status, payload))

        client.on_method_request_received = call
        client.connect()

    def outcome(self, job_id):
        """The job when it is over; asks again as a program that uses the SDK does."""
        asked = threading.Event()
        for _ in range(DEADLINE_S * 10):
            job = self.jobs.get_scheduled_job(job_id)
            if job.status in FINAL:
                return job
            asked.wait(0.1)
        raise AssertionError(f"job {job_id} is still {job.status}")

    def records(self, job_id):
        found = self.registry.query_iot_hub(QuerySpecification(
            query=f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'"))
        # The SDK makes a twin of each row, and keeps what a twin has not in additional_properties.
        return {record.device_id: record for record in found.items}

    def test_a_twin_job(self):
        self.devices("twin", 3)
        created = self.jobs.create_scheduled_job("twin-job", JobRequest(
            job_id="twin-job", type="scheduleUpdateTwin", query_condition="tags.fleet = 'twin'",
            update_twin=Twin(etag="*", tags={"seen": True}, properties=TwinProperties(desired={"fan": 7})),
            max_execution_time_in_seconds=60))
        self.assertEqual((created.job_id, created.type), ("twin-job", "scheduleUpdateTwin"))
        job = self.outcome("twin-job")
        self.assertEqual(job.status, "completed")
        self.assertEqual(
            (job.device_job_statistics.device_count, job.device_job_statistics.succeeded_count), (3, 3))
        for i in range(3):
            twin = self.registry.get_twin(f"twin-{i}")
            self.assertEqual(twin.tags, {"fleet": "twin", "seen": True})
            self.assertEqual(twin.properties.desired["fan"], 7)
        self.assertEqual({name: one.status for name, one in self.records("twin-job").items()},
                         {f"twin-{i}": "completed" for i in range(3)})

    def test_a_method_job(self):
        strings = self.devices("call", 3)
        self.connect(strings[0], lambda request: (200, {"was": request.payload}))
        self.connect(strings[1], lambda request: (503, "busy"))
        self.jobs.create_scheduled_job("method-job", JobRequest(
            job_id="method-job", type="scheduleDeviceMethod", query_condition="tags.fleet = 'call'",
            cloud_to_device_method=CloudToDeviceMethod(
                method_name="reboot", payload={"delay": 5}, response_timeout_in_seconds=30),
            max_execution_time_in_seconds=3))
        job = self.outcome("method-job")
        self.assertEqual(job.status, "completed")
        self.assertEqual(job.cloud_to_device_method.method_name, "reboot")
        self.assertEqual(job.device_job_statistics.device_count, 3)
        self.assertEqual(job.device_job_statistics.failed_count, 1)
        records = self.records("method-job")
        answers = [records[f"call-{i}"].additional_properties for i in range(3)]
        self.assertEqual(answers[0]["outcome"]["deviceMethodResponse"],
                         {"status": 200, "payload": {"was": {"delay": 5}}})
        self.assertEqual(answers[1]["outcome"]["deviceMethodResponse"], {"status": 503, "payload": "busy"})
        self.assertEqual(records["call-2"].status, "failed")
        self.assertEqual(answers[2]["error"]["code"], "JobRunPreconditionFailed")

    def test_cancel_of_a_scheduled_job(self):
        self.devices("later", 1)
        self.jobs.create_scheduled_job("later-job", JobRequest(
            job_id="later-job", type="scheduleUpdateTwin", query_condition="tags.fleet = 'later'",
            update_twin=Twin(etag="*", tags={"seen": True}), start_time="2100-01-02T03:04:05Z",
            max_execution_time_in_seconds=60))
        cancelled = self.jobs.cancel_scheduled_job("later-job")
        self.assertEqual(cancelled.job_id, "later-job")
        self.assertEqual(self.outcome("later-job").status, "cancelled")
        self.assertEqual(self.registry.get_twin("later-0").tags, {"fleet": "later"})

    def test_what_is_refused(self):
        table = [
            ("an unknown job", 404, "JobNotFound", lambda: self.jobs.get_scheduled_job("nobody")),
            ("a wrong condition", 400, None, lambda: self.jobs.create_scheduled_job("wrong", JobRequest(
                job_id="wrong", type="scheduleUpdateTwin", query_condition="tags.fleet ==", update_twin=Twin(tags={})))),
            ("an unknown type", 400, None, lambda: self.jobs.create_scheduled_job("odd", JobRequest(
                job_id="odd", type="rebootDevice", query_condition="*"))),
        ]
        for rule, status, name, call in table:
            with self.subTest(rule), self.assertRaises(HttpOperationError) as caught:
                call()
            response = caught.exception.response
            self.assertEqual(response.status_code, status)
            if name:
                self.assertEqual(response.headers["iothub-errorcode"], name)


if __name__ == "__main__":
    unittest.main()
