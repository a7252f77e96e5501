/**
 * Loaded into each program (`node --expose-gc --import`) before it: answers every message of whoever started it with what
 * nobody outside of a process can know.
 */
export interface Inside {
  /** Heap that is in use after a collection, and buffers outside of it, in bytes. */
  readonly heap: number
  readonly external: number
  readonly timers: number
  readonly sockets: number
}

function look(): Inside {
  ;(globalThis as { gc?: () => void }).gc?.()
  const { heapUsed, external } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo()
  const count = (kind: string) => resources.filter(name => name === kind).length
  return { heap: heapUsed, external, timers: count('Timeout'), sockets: count('TCPSocketWrap') }
}

if (process.send) {
  process.on('message', () => process.send?.(look()))
  // The program ends as it would without this.
  process.channel?.unref()
}
