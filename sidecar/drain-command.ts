import { drainCommand } from '../lib/service/drain-request.ts'
import { DEFAULT_DRAIN_SECONDS, ENV_PREFIX } from '../lib/service/names.ts'

/** The sub-command: see {@link drainCommand}. */
export async function drain(): Promise<void> {
  // The sidecar itself refuses to start if this value is no number.
  const seconds = Number(process.env[`${ENV_PREFIX}DRAIN_SECONDS`]) || DEFAULT_DRAIN_SECONDS
  process.stdout.write(`${await drainCommand(process.env, seconds * 1000)}\n`)
}
