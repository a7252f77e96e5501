import type { Container, EnvVar, Lifecycle, Probe, SecurityContext } from 'kubernetes-types/core/v1.d.ts'
import { DEFAULT_ADMIN_PORT, ENV_PREFIX } from '../../lib/service/names.ts'

/** Paths of the three programs in the image, whose entrypoint is `node` with its options. */
export const PROGRAM_ARGS = { sidecar: ['/app/sidecar.js'], balancer: ['/app/balancer.js'], hooks: ['/app/hooks.js'] }

/** Security context by the restricted Pod Security Standard; a numeric user id, so that the kubelet can check `runAsNonRoot`. */
export const restrictedContainer = (): SecurityContext => ({
  runAsNonRoot: true,
  runAsUser: 65_532,
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
})

/**
 * Seconds that a program has to start. It needs 0.2 s of CPU time: 25 s with a hundredth of a core, as on a busy node, and several
 * times that while the image is read from disk.
 */
export const STARTUP_SECONDS = 180

/**
 * Probes of a program's admin server. Startup does not wait for the app, which the kubelet starts only after this probe has passed
 * (native sidecars). No `host`, which Pod Security forbids.
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

/** A preStop hook that runs Node with these arguments: our images have Node, but need not have a shell. */
export const nodeBeforeStop = (...args: readonly string[]): Lifecycle => ({
  preStop: { exec: { command: ['node', ...args] } },
})

/**
 * A preStop hook that waits until nodes have removed the pod from its Service. Not `preStop.sleep`, which Kubernetes 1.29 does not
 * have.
 */
export const waitBeforeStop = (seconds: number): Lifecycle =>
  nodeBeforeStop('-e', `setTimeout(() => {}, ${seconds * 1000})`)

/** A variable whose value is a field of the pod; with `apiVersion`, which the API server would fill in. */
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

/** Escapes text for the kubelet, which expands `$(NAME)` and `$$`. */
export const literal = (text: string): string => text.replaceAll('$', '$$$$')
