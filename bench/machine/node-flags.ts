import { readFileSync } from 'node:fs'
import { readStage } from '../../scripts/image/dockerfile.ts'

const DOCKERFILE = new URL('../../Dockerfile', import.meta.url)

const [, ...flags] = readStage(readFileSync(DOCKERFILE, 'utf8'), 'ws-operator').entrypoint

/** Options that the image gives to Node: our programs run with them here too. */
export const NODE_FLAGS: readonly string[] = flags
