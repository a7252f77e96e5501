import t from 'tap'
import { podResourcesProblem } from '../../../hooks/decorator/pod-resources.ts'
import type { PodSpec } from '../../../hooks/requests/schemas.ts'

const sidecar = {
  name: 'websocket-proxy',
  resources: { requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '192Mi' } },
}
const app = (resources: object) => ({ name: 'app', resources })
const problem = (resources: object | undefined, ...containers: object[]) =>
  podResourcesProblem({ containers, ...(resources && { resources }) } as PodSpec, sidecar)

t.test('a pod without resources of its own, or with enough, is right', async t => {
  t.equal(problem(undefined, app({ requests: { memory: '1Gi' } })), undefined)
  t.equal(problem({ requests: { cpu: '10m', memory: '64Mi' }, limits: { memory: '192Mi' } }), undefined)
  t.equal(problem({ requests: { memory: '320Mi' } }, app({ limits: { memory: '256Mi' } })), undefined)
  t.equal(problem({ limits: { cpu: '10m', memory: '192Mi' } }), undefined, 'a limit is a request too')
  t.equal(
    problem({ requests: { cpu: '150m' } }, app({ requests: { cpu: '140m' } })),
    undefined,
    'a sum that fits exactly',
  )
  t.equal(problem({ limits: { memory: '200Mi' } }, app({ limits: { memory: '136Mi' } })), undefined)
})

t.test('what is too small is named, with what makes it fit', async t => {
  for (const [resources, containers, says] of [
    [{ requests: { memory: '63Mi' } }, [], /memory request \(63Mi\) .*lower ws\.operator\/sidecar-memory-request/],
    [{ requests: { memory: '319Mi' } }, [app({ limits: { memory: '256Mi' } })], /memory request \(319Mi\)/],
    [{ requests: { cpu: '100m' } }, [app({ requests: { cpu: '0.1' } })], /cpu request \(100m\) .*sidecar-cpu-request/],
    [{ limits: { memory: '191Mi' } }, [], /memory limit \(191Mi\) .* \(192Mi\).*sidecar-memory-limit/],
    [{ limits: { cpu: '5m' } }, [], /cpu request \(5m\)/],
  ] as const) {
    t.match(problem(resources, ...containers), says, JSON.stringify(resources))
  }
})
