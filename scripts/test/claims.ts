import { mkdirSync } from 'node:fs'
import { join } from 'node:path'

const clusterTests = (...names: string[]) => names.map(name => `test/cluster/${name}.test.ts`)

/** Cluster tests that take three minutes or more. They begin first, so that no lane still runs one when the others have ended. */
const LONG = clusterTests('upgrade', 'uninstall', 'no-pods')

/** Cluster tests that need the machine for themselves: they send so much that messages run out of time beside other tests. */
const ALONE = clusterTests('zero-loss')

/** Whether a test file needs the machine for itself. */
export const runsAlone = (file: string): boolean => ALONE.includes(file)

/** Test files with the long ones first. */
export function longFirst(files: readonly string[]): string[] {
  return [...LONG.filter(file => files.includes(file)), ...files.filter(file => !LONG.includes(file))]
}

/**
 * Takes a test file out of a list that several runs work off.
 *
 * @param folder one folder for all these runs, empty at first
 * @returns whether the file is this run's; false where another run has it
 */
export function claim(folder: string, file: string): boolean {
  try {
    mkdirSync(join(folder, encodeURIComponent(file)))
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}
