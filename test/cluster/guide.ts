import { readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { kubectl, run } from './kubectl.ts'

const root = join(import.meta.dirname, '../..')
const LIMIT_MS = 300_000

/**
 * The shell commands of a guide, as one script for each block marked `sh`. Blocks marked `console` need something that no test has,
 * such as a registry.
 *
 * @param guide name of a file in docs/guides
 * @param from only what comes after this text, up to the next heading; the whole guide without it
 * @throws where there are none
 */
export function commands(guide: string, from?: string): string[] {
  const text = readFileSync(join(root, 'docs/guides', guide), 'utf8')
  const start = from === undefined ? 0 : text.indexOf(from)
  if (start < 0) throw new Error(`${guide} has no ${from}`)
  const section = from === undefined ? text : `\n${text.slice(start + from.length)}`.split(/\n#+ |\n<!-- /)[0]!
  const blocks = [...section.matchAll(/^( *)```sh\n([\s\S]*?)^ *```$/gm)]
  if (blocks.length === 0) throw new Error(`${guide} has no commands${from === undefined ? '' : ` after ${from}`}`)
  return blocks.map(([, indent = '', block = '']) => block.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
}

/**
 * Runs commands as a user does who has copied them into a shell.
 *
 * @param place where, and with which KUBECONFIG; the root of the repository and ours without it
 * @returns what they printed
 * @throws where one of them fails
 */
export function follow(script: string, { cwd = root, env = process.env } = {}): Promise<string> {
  return run('sh', ['-ec', `cd "$0"\n${script}`, cwd], { limitMs: LIMIT_MS, env })
}

/** The environment of a user's shell whose current namespace is this one. */
export async function shellIn(t: Test, namespace: string): Promise<NodeJS.ProcessEnv> {
  const folder = await mkdtemp(join(tmpdir(), 'ws-operator-kubeconfig-'))
  t.teardown(() => rm(folder, { recursive: true }))
  const path = join(folder, 'kubeconfig')
  await writeFile(path, await kubectl(['config', 'view', '--raw', '--minify', '--flatten']), { mode: 0o600 })
  const env = { ...process.env, KUBECONFIG: path }
  await kubectl(['config', 'set-context', '--current', `--namespace=${namespace}`], { env })
  return env
}
