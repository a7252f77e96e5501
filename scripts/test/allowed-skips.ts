import { readFileSync } from 'node:fs'
import type { Skip } from './read-tap.ts'

/** Skips that CI accepts: patterns in which `*` stands for any text. */
export interface AllowedSkip {
  readonly test: string
  readonly reason: string
}

/** @param file path of a JSON array of {@link AllowedSkip} */
export const readAllowedSkips = (file: string): AllowedSkip[] => JSON.parse(readFileSync(file, 'utf8'))

/** The skips that no entry allows. */
export const unlistedSkips = (skips: readonly Skip[], allowed: readonly AllowedSkip[]): Skip[] =>
  skips.filter(({ test, reason }) => !allowed.some(entry => matches(test, entry.test) && matches(reason, entry.reason)))

function matches(text: string, pattern: string): boolean {
  const escaped = pattern.split('*').map(part => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'))
  return new RegExp(`^${escaped.join('.*')}$`, 's').test(text)
}
