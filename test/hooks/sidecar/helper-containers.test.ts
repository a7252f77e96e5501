import t from 'tap'
import type { Container } from '../../../hooks/requests/schemas.ts'
import { appCandidates, gatekeeperOf } from '../../../hooks/sidecar/helper-containers.ts'

const container = (name: string, image?: unknown) => ({ name, ...(image !== undefined && { image }) }) as Container
const candidates = (...containers: Container[]) =>
  appCandidates({ containers }, 'websocket-proxy').map(({ name }) => name)

t.test('a container is a helper by its name or its image, whatever registry, tag or digest', async t => {
  for (const helper of [
    container('istio-proxy'),
    container('redis', 'redis:7'),
    container('cache', 'registry.example:5000/team/redis:7.2'),
    container('cache', 'redis'),
    container('cache', 'redis@sha256:00'),
    container('cache', 'registry.example/redis:7@sha256:00'),
    container('nginx-exporter'),
    container('stats', 'team/postgres_exporter:1'),
    container('exporter'),
  ]) {
    t.strictSame(candidates(container('app'), helper), ['app'], JSON.stringify(helper))
  }
})

t.test('a container whose name only resembles a helper’s is an app', async t => {
  for (const app of [
    container('redis-chat'),
    container('myexporter'),
    container('exporter-ui'),
    container('app', 'redis/chat:1'),
    container('app', 7),
  ]) {
    t.strictSame(candidates(app, container('istio-proxy')), [app.name], JSON.stringify(app))
  }
})

t.test('the sidecar is no app, and of a pod of helpers only all count', async t => {
  t.strictSame(candidates(container('app'), container('websocket-proxy')), ['app'])
  t.strictSame(candidates(container('envoy'), container('redis'), container('websocket-proxy')), ['envoy', 'redis'])
  t.strictSame(candidates(container('websocket-proxy')), [])
})

t.test('a proxy that requires a login is found by its name or image, beside another container', async t => {
  const gatekeeper = (...containers: Container[]) => gatekeeperOf(containers)?.name
  for (const login of [
    container('oauth2-proxy'),
    container('login', 'quay.example/oauth2-proxy:v7'),
    container('login', 'ose-oauth-proxy-rhel9'),
    container('keycloak-gatekeeper'),
    container('sso_proxy'),
    container('pomerium'),
  ]) {
    t.equal(gatekeeper(container('app'), login), login.name, JSON.stringify(login))
    t.equal(gatekeeper(login), undefined, 'alone it stands before nothing')
  }
  for (const other of ['oauth2', 'proxy', 'myoauth2-proxy', 'oauth2-proxying'])
    t.equal(gatekeeper(container('app'), container(other)), undefined, other)
})
