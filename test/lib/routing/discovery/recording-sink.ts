import type { MemberSource } from '../../../../lib/routing/discovery/source.ts'
import { formatMember } from '../../../../lib/routing/members.ts'

/** Runs a source and keeps what it tells: answers as text (`a:1,b:1=2`), failures as the message. */
export function record(source: MemberSource) {
  const abort = new AbortController()
  const answers: string[] = []
  const failures: string[] = []
  const running = source(
    {
      answer: members => answers.push(members.map(formatMember).sort().join(',')),
      failed: error => failures.push(error.message),
    },
    abort.signal,
  )
  return {
    answers,
    failures,
    async stop() {
      abort.abort()
      await running
    },
  }
}
