import { readdirSync, readFileSync } from 'node:fs'
import type { KubeObject } from './api.ts'

/** Processes of a pod, where its node is this machine; none where it is not. */
export function processesOf({ metadata: { uid } }: KubeObject): number[] {
  const names = [String(uid), String(uid).replaceAll('-', '_')]
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .filter(pid => {
      try {
        const cgroup = readFileSync(`/proc/${pid}/cgroup`, 'utf8')
        return names.some(name => cgroup.includes(name))
      } catch {
        // It has ended.
        return false
      }
    })
    .map(Number)
}
