import type { Container, PodSpec } from '../requests/schemas.ts'
import { record } from '../requests/untyped.ts'

/** Names of containers or images that are helpers and not the app. */
const HELPERS: ReadonlySet<string> = new Set([
  'cloud-sql-proxy',
  'cloudsql-proxy',
  'cloud_sql_proxy',
  'cloudflared',
  'config-reloader',
  'configmap-reload',
  'consul-dataplane',
  'daprd',
  'datadog-agent',
  'envoy',
  'envoy-sidecar',
  'filebeat',
  'fluent-bit',
  'fluentbit',
  'fluentd',
  'git-sync',
  'gluetun',
  'istio-proxy',
  'jaeger-agent',
  'kube-rbac-proxy',
  'kuma-sidecar',
  'linkerd-proxy',
  'mariadb',
  'memcached',
  'mongo',
  'mongodb',
  'mysql',
  'newrelic-infra',
  'opentelemetry-collector',
  'otc-container',
  'otel-agent',
  'otel-collector',
  'postgres',
  'postgresql',
  'prometheus',
  'promtail',
  'proxyv2',
  'rabbitmq',
  'redis',
  'statsd',
  'tailscale',
  'telegraf',
  'valkey',
  'vault-agent',
  'vector',
])

const EXPORTER = /(^|[-_])exporter$/

/** Names of proxies that require a login: `oauth2-proxy`, `ose-oauth-proxy-rhel9`, `keycloak-gatekeeper`. */
const GATEKEEPER =
  /(^|[-_])((oauth2?|oidc|auth|sso|keycloak|louketo|vouch)[-_](proxy|gatekeeper)|gogatekeeper|pomerium)($|[-_])/

/** Name of an image without registry, path, tag and digest. */
function imageName(container: Container): string {
  const { image } = record(container)
  return (typeof image === 'string' ? image : '').replace(/^.*\//, '').replace(/[:@].*$/, '')
}

const isHelper = (container: Container): boolean =>
  [container.name, imageName(container)].some(name => HELPERS.has(name) || EXPORTER.test(name))

/**
 * The containers that can be the app: no init containers, mesh proxies, exporters, agents or databases. If a pod has only such
 * helpers, all of them count.
 */
export function appCandidates({ containers }: PodSpec, sidecar: string): Container[] {
  const own = containers.filter(({ name }) => name !== sidecar)
  const apps = own.filter(container => !isHelper(container))
  return apps.length > 0 ? apps : own
}

/** The container that requires a login and forwards users to the other containers of the pod. */
export const gatekeeperOf = (containers: readonly Container[]): Container | undefined =>
  containers.length < 2
    ? undefined
    : containers.find(container => [container.name, imageName(container)].some(name => GATEKEEPER.test(name)))
