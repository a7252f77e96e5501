import { ADDRESSED } from './addressed.ts'
import type { BenchCase } from './case.ts'
import { ECHOES } from './echo.ts'
import { handshakes } from './handshakes.ts'
import { idle } from './idle.ts'
import { openLoop } from './open-loop.ts'

/** All that is measured, in the order of the tables. */
export const CASES: readonly BenchCase[] = [...ECHOES, openLoop, handshakes, idle, ...ADDRESSED]
