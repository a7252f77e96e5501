import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'

/** Where a run takes place. */
export interface Machine {
  readonly summary: string
  /** Numbers of the cores that are used; the same if there is only one. */
  readonly proxyCore: number
  readonly loadCore: number
}

/** @throws where this is not Linux */
export function describeMachine(): Machine {
  if (process.platform !== 'linux') throw new Error('the benchmark needs Linux: it reads CPU time and memory in /proc')
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'
  const cores = parseCores(allowed)
  const models = new Set(cpus().map(({ model }) => model))
  return {
    summary: `${cores.length} cores (${[...models].join(', ')}), Linux ${release().split('-', 1)[0]}, Node ${process.versions.node}`,
    proxyCore: cores[0]!,
    loadCore: cores[1] ?? cores[0]!,
  }
}

/** Reads a list of cores, as `0,2-3`. */
export function parseCores(list: string): number[] {
  return list.split(',').flatMap(range => {
    const [first = 0, last = first] = range.split('-').map(Number)
    return Array.from({ length: last - first + 1 }, (_, i) => first + i)
  })
}
