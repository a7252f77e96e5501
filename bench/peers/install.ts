import { spawnSync } from 'node:child_process'
import type { Peer } from './peer.ts'

const INSTALL_MS = 300_000

const isInstalled = (command: string) => spawnSync('sh', ['-c', `command -v ${command}`]).status === 0

/**
 * Installs what a peer needs, where this is root on Debian or one of its kind.
 *
 * @returns why the peer cannot take part; `undefined` if it can
 */
export function ensureInstalled({ needs }: Peer, say: (line: string) => void): string | undefined {
  if (!needs || isInstalled(needs.command)) return undefined
  const hint = `${needs.command} is not installed (apt-get install ${needs.package})`
  if (process.getuid?.() !== 0 || !isInstalled('apt-get')) return hint
  say(`installing ${needs.package} with apt-get`)
  const command = `apt-get update -qq && apt-get install -y -qq --no-install-recommends ${needs.package}`
  const { status, stderr } = spawnSync('sh', ['-c', command], {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    timeout: INSTALL_MS,
    encoding: 'utf8',
  })
  return status === 0 && isInstalled(needs.command) ? undefined : `${hint}: ${stderr.trim().split('\n').at(-1)}`
}
