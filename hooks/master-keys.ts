import { readFileSync } from 'node:fs'

/** A key of fewer characters could be guessed. */
const MIN_KEY_CHARACTERS = 32

const MAX_KEYS = 4

/**
 * Reads the file of master keys: one a line, the first one in use, the others accepted as well.
 *
 * @throws {Error} that says what is wrong with it, and never what is in it
 */
export function readMasterKeys(path: string): readonly string[] {
  if (path === '') return []
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new Error(`must be a file that can be read: ${(error as NodeJS.ErrnoException).code}`)
  }
  const keys = text.split('\n').flatMap(line => line.trim() || [])
  if (keys.length === 0 || keys.length > MAX_KEYS) {
    throw new Error(`must hold 1 to ${MAX_KEYS} keys, one a line; it holds ${keys.length}`)
  }
  if (keys.some(key => key.length < MIN_KEY_CHARACTERS)) {
    throw new Error(`must hold keys of ${MIN_KEY_CHARACTERS} characters or more, such as openssl rand -base64 32 makes`)
  }
  return keys
}
