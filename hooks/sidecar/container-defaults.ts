import type { Container, EnvVar, Lifecycle, Probe, SecurityContext } from 'kubernetes-types/core/v1.d.ts'
import { DEFAULT_ADMIN_PORT, ENV_PREFIX } from '../../lib/service/names.ts'

/** Paths of the three programs in the image, whose entrypoint is `node` with its options. */
export const PROGRAM_ARGS = { sidecar: ['/app/sidecar.js'], balancer: ['/app/balancer.js'], hooks: ['/app/hooks.js'] }

/** What the restricted Pod Security Standard asks of a container; the user id is a number, so that `runAsNonRoot` can be checked. */
export const restrictedContainer = (): SecurityContext => ({
  runAsNonRoot: true,
  runAsUser: 65_532,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
})

/**
 * Seconds that a program has to start: it takes 0.2 s of processor time, which is 25 s where a busy node, or a limit, leaves it a
 * hundredth of a core, and several times that while the image is read from disk.
 */
export const STARTUP_SECONDS = 180

/**
 * Probes against a program's admin server. Startup asks only whether the process answers: a native sidecar that waited for the
 * app here would wait for ever, because the kubelet starts the app after this probe. No `host`, which Pod Security forbids.
 */
export function probes(
  port: number = DEFAULT_ADMIN_PORT,
): Required<Pick<Container, 'startupProbe' | 'readinessProbe' | 'livenessProbe'>> {
  const probe = (path: string, periodSeconds: number, failureThreshold: number): Probe => ({
    httpGet: { path, port },
    periodSeconds,
    timeoutSeconds: 2,
    failureThreshold,
  })
  return {
    startupProbe: probe('/healthz', 1, STARTUP_SECONDS),
    readinessProbe: probe('/readyz', 2, 2),
    livenessProbe: probe('/healthz', 10, 3),
  }
}

/** A preStop hook that runs Node with these arguments: it is in the path of every image of ours, a shell need not be. */
export const nodeBeforeStop = (...args: readonly string[]): Lifecycle => ({
  preStop: { exec: { command: ['node', ...args] } },
})

/**
 * A preStop hook that waits until those who find a pod by its Service have forgotten it. Not `preStop.sleep`, which Kubernetes
 * 1.29 does not know.
 */
export const waitBeforeStop = (seconds: number): Lifecycle =>
  nodeBeforeStop('-e', `setTimeout(() => {}, ${seconds * 1000})`)

/** A variable whose value comes from the pod; `apiVersion` is what the API server would fill in. */
export const fromPod = (name: string, fieldPath: string): EnvVar => ({
  name,
  valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath } },
})

/** Variables for one of our programs, in the order given; a value that is absent is left out. */
export function variables<N extends string>(
  values: {
    readonly [K in N]?: string | number | boolean | undefined
  },
): EnvVar[] {
  return (Object.entries(values) as [N, string | number | boolean | undefined][]).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name: ENV_PREFIX + name, value: String(value) }],
  )
}

/** Text that the kubelet must pass on as it is: it would take `$(NAME)` for a reference and `$$` for `$`. */
export const literal = (text: string): string => text.replaceAll('$', '$$$$')
