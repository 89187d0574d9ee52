"""The official Python service SDK and configurations: docs/spec/service-rest.md 14."""
import os
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(__file__))

from azure.iot.hub import IoTHubConfigurationManager, IoTHubRegistryManager  # noqa: E402
from azure.iot.hub.models import Configuration, ConfigurationContent, ConfigurationMetrics, Twin  # noqa: E402
from hub import Hub  # noqa: E402

DEADLINE_S = 60


def until(look):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        got = look()
        if got:
            return got
        time.sleep(0.02)
    raise AssertionError("it did not happen")


class Configurations(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hub = Hub()
        cls.addClassCleanup(cls.hub.finish)
        os.environ["REQUESTS_CA_BUNDLE"] = os.path.join(cls.hub.dir, "ca.pem")

    def test_life_of_a_configuration(self):
        manager = IoTHubConfigurationManager.from_connection_string(self.hub.connection_string)
        registry = IoTHubRegistryManager.from_connection_string(self.hub.connection_string)
        registry.create_device_with_sas("d1", "", "", "enabled")
        registry.update_twin("d1", Twin(tags={"site": "north"}), "*")

        made = manager.create_configuration(Configuration(
            id="c1", schema_version="1.0", priority=10, target_condition="tags.site = 'north'",
            content=ConfigurationContent(device_content={"properties.desired.fan": {"rpm": 3}}),
            metrics=ConfigurationMetrics(queries={"all": "SELECT deviceId FROM devices"})))
        self.assertEqual(made.etag, "MQ==")
        twin = until(lambda: (lambda t: "fan" in t.properties.desired and t)(registry.get_twin("d1")))
        self.assertEqual(twin.properties.desired["fan"], {"rpm": 3})
        self.assertEqual(self.hub.rest("GET", "/twins/d1")["configurations"], {"c1": {"status": "Applied"}})

        got = manager.get_configuration("c1")
        self.assertEqual(got.system_metrics.results["appliedCount"], 1)
        self.assertEqual(got.metrics.results["all"], 1)
        got.priority = 20
        got.target_condition = "tags.site = 'south'"
        self.assertEqual(manager.update_configuration(got, got.etag).priority, 20)
        until(lambda: "fan" not in registry.get_twin("d1").properties.desired)

        tested = manager.test_configuration_queries({"targetCondition": "x =", "customMetricQueries": {}})
        self.assertTrue(tested.target_condition_error)
        manager.apply_configuration_on_edge_device(
            "d1", ConfigurationContent(device_content={"properties.desired.once": 1}))
        self.assertEqual(registry.get_twin("d1").properties.desired["once"], 1)
        self.assertEqual([c.id for c in manager.get_configurations()], ["c1"])
        manager.delete_configuration("c1")
        self.assertEqual(manager.get_configurations(10), [])

    def test_deployment_to_iot_edge(self):
        manager = IoTHubConfigurationManager.from_connection_string(self.hub.connection_string)
        registry = IoTHubRegistryManager.from_connection_string(self.hub.connection_string)
        registry.create_device_with_sas("e1", "", "", "enabled", iot_edge=True)
        modules = {"$edgeAgent": {"properties.desired": {"modules": {"m": {"settings": {"image": "x"}}}}},
                   "m": {"properties.desired": {"rate": 5}}}
        manager.apply_configuration_on_edge_device("e1", ConfigurationContent(modules_content=modules))
        self.assertEqual(registry.get_module("e1", "m").managed_by, "IotEdge")
        self.assertEqual(registry.get_module_twin("e1", "m").properties.desired["rate"], 5)
        manager.create_configuration(Configuration(
            id="edge", schema_version="1.0", priority=10, target_condition="*",
            content=ConfigurationContent(modules_content={**modules, "m": {"properties.desired": {"rate": 6}}})))
        until(lambda: registry.get_module_twin("e1", "m").properties.desired["rate"] == 6)
        results = manager.get_configuration("edge").system_metrics.results
        self.assertEqual(results, {"targetedCount": 1, "appliedCount": 1,
                                   "reportedSuccessfulCount": 0, "reportedFailedCount": 0})
        manager.delete_configuration("edge")
        registry.delete_device("e1")


if __name__ == "__main__":
    unittest.main()
