import { closedLoop } from './load/closed.ts'
import { handshakes } from './load/handshakes.ts'
import { idle } from './load/idle.ts'
import type { Job, Report } from './load/job.ts'
import { openLoop } from './load/open.ts'

/** The load generator: does the job on its standard input and prints its report. */
function run(job: Job): Promise<Report> {
  switch (job.kind) {
    case 'closed':
      return closedLoop(job)
    case 'open':
      return openLoop(job)
    case 'handshakes':
      return handshakes(job)
    case 'idle':
      return idle(job)
  }
}

if (import.meta.main) {
  // Thousands of clients would be too long for an argument.
  const job = JSON.parse(Buffer.concat(await process.stdin.toArray()).toString()) as Job
  try {
    process.stdout.write(`${JSON.stringify(await run(job))}\n`, () => process.exit(0))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n`, () => process.exit(1))
  }
}
