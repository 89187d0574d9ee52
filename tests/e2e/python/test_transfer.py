"""Import and export jobs with the Python service SDK."""
import json
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.hub import IoTHubJobManager  # noqa: E402
from azure.iot.hub.models import JobProperties  # noqa: E402
from hub import DEADLINE_S, Hub  # noqa: E402


class Transfer(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub(args=("--transfer-dir", "{scratch}"))
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")
        cls.jobs = IoTHubJobManager.from_connection_string(cls.hub.connection_string)
        for name in ("a", "b"):
            cls.hub.create(name)

    def ended(self, job_id):
        deadline = time.monotonic() + DEADLINE_S
        while True:
            job = self.jobs.get_import_export_job(job_id)
            if job.status not in ("enqueued", "running"):
                return job
            self.assertLess(time.monotonic(), deadline, f"{job_id} does not end")
            time.sleep(0.02)

    def test_export_then_import(self):
        box = os.path.join(self.hub.scratch, "box")
        os.mkdir(box)
        made = self.jobs.create_import_export_job(JobProperties(
            type="export", output_blob_container_uri=box, exclude_keys_in_export=False))
        self.assertEqual(self.ended(made.job_id).status, "completed")
        with open(os.path.join(box, "devices.txt"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual([line["id"] for line in lines], ["a", "b"])
        self.hub.rest("DELETE", "/devices/a", expect=204)
        made = self.jobs.create_import_export_job(JobProperties(
            type="import", input_blob_container_uri=box, output_blob_container_uri=box))
        self.assertEqual(self.ended(made.job_id).status, "completed")
        key = self.hub.rest("GET", "/devices/a")["authentication"]["symmetricKey"]
        self.assertEqual(key, lines[0]["authentication"]["symmetricKey"])
        self.jobs.cancel_import_export_job(made.job_id)  # too late: nothing changes
        newest = self.jobs.get_import_export_jobs()[0]
        self.assertEqual((newest.job_id, newest.status), (made.job_id, "completed"))
        self.hub.rest("PUT", "/configurations/c1", {"id": "c1", "content": {"deviceContent": {}}})
        made = self.jobs.create_import_export_job(JobProperties(
            type="export", output_blob_container_uri=box, include_configurations=True))
        self.assertEqual(self.ended(made.job_id).status, "completed")
        with open(os.path.join(box, "configurations.txt"), encoding="utf-8") as file:
            self.assertEqual([json.loads(line)["id"] for line in file], ["c1"])


if __name__ == "__main__":
    unittest.main()
