import type { Container, Probe } from 'kubernetes-types/core/v1.d.ts'

/** Asks a probe of a container once; a container without that probe passes. Never throws. */
export async function passes(
  probe: Probe | undefined,
  container: Container,
  host: string,
  localPort: (containerPort: number) => number,
): Promise<boolean> {
  if (!probe?.httpGet) return true
  const { path = '/', port } = probe.httpGet
  const number = typeof port === 'number' ? port : container.ports?.find(({ name }) => name === port)?.containerPort
  if (number === undefined) return false
  try {
    const signal = AbortSignal.timeout((probe.timeoutSeconds ?? 1) * 1000)
    const response = await fetch(`http://${host}:${localPort(number)}${path}`, { signal })
    await response.arrayBuffer()
    return response.ok
  } catch {
    return false
  }
}
