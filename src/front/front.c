#include "front/front.h"
#include "front/mqtt.h"
#include "wire/x509.h"

struct front *front_create(const struct front_config *config)
{
    struct front *front = xcalloc(1, sizeof(*front));
    front->config = *config;
    if (front->config.http_idle_ms == 0)
        front->config.http_idle_ms = HTTP_IDLE_MS;
    if (front->config.http_request_ms == 0)
        front->config.http_request_ms = HTTP_REQUEST_MS;
    if (front->config.stream_trust_ms == 0)
        front->config.stream_trust_ms = STREAM_TRUST_MS;
    if (front->config.mqtt_connect_ms == 0)
        front->config.mqtt_connect_ms = MQTT_CONNECT_MS;
    if (front->config.mqtt_unheard_max == 0)
        front->config.mqtt_unheard_max = MQTT_UNHEARD_MAX;
    front->hosts[front->host_count++] = str_from(config->host);
    front->hosts[front->host_count++] = STR("localhost");
    front->hosts[front->host_count++] = STR("127.0.0.1");
    pthread_mutex_init(&front->trust_lock, NULL);
    config->random->fill(config->random, front->request_prefix, sizeof(front->request_prefix));
    front->started_ticks = config->clock->wall_ticks(config->clock);
    return front;
}

void front_destroy(struct front *front)
{
    if (!front)
        return;
    x509_trust_unref(front->trust);
    pthread_mutex_destroy(&front->trust_lock);
    free(front);
}
