import type { Container } from 'kubernetes-types/core/v1.d.ts'
import { Child } from '../processes/child.ts'
import { pause } from '../wait.ts'
import { type LocalPod, localContainerEnv, preStopOf } from './containers.ts'

interface Options {
  /** Called for each line that the hook writes. */
  readonly onLine: (line: string) => void
  /** End of the pod's grace period, in milliseconds since the epoch: what still runs then is ended. */
  readonly deadline: number
  /** Ends it at once. */
  readonly signal: AbortSignal
}

/**
 * Runs a container's preStop hook, in the container's environment. Resolves when it has ended in any way: then the container gets
 * its SIGTERM, as from the kubelet. Never throws.
 *
 * @returns what went wrong, for a person to read
 */
export async function runPreStop(
  container: Container,
  pod: LocalPod,
  { onLine, deadline, signal }: Options,
): Promise<string | undefined> {
  const hook = preStopOf(container)
  if (!hook || signal.aborted) return undefined
  const leftMs = Math.max(0, deadline - Date.now())
  if ('seconds' in hook) {
    await pause(Math.min(hook.seconds * 1000, leftMs), signal)
    return undefined
  }
  const child = new Child(`${pod.name}/${container.name}/preStop`, hook.argv, localContainerEnv(container, pod), onLine)
  const end = () => child.kill('SIGKILL')
  const timer = setTimeout(end, leftMs)
  signal.addEventListener('abort', end, { once: true })
  const how = await child.ended
  clearTimeout(timer)
  signal.removeEventListener('abort', end)
  if (how === 'exit code 0' || signal.aborted) return undefined
  if (how === 'SIGKILL') return `the preStop hook of ${container.name} was not done at the end of the grace period`
  return `the preStop hook of ${container.name} ended with ${how}${child.lastOutput && `, saying: ${child.lastOutput}`}`
}
