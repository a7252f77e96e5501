import type { MemberSource } from '../../../../lib/routing/discovery/source.ts'
import { formatMember } from '../../../../lib/routing/members.ts'

/** Runs a source and keeps what it tells: answers as text (`a:1,b:1=2`), those that leave as names, failures as the message. */
export function record(source: MemberSource) {
  const abort = new AbortController()
  const answers: string[] = []
  const leavings: string[] = []
  const unreadies: string[] = []
  const failures: string[] = []
  const running = source(
    {
      answer(members, leaving = new Set(), unready = new Set()) {
        unreadies.push([...unready].sort().join(','))
        answers.push(members.map(formatMember).sort().join(','))
        leavings.push([...leaving].sort().join(','))
      },
      failed: error => failures.push(error.message),
    },
    abort.signal,
  )
  return {
    answers,
    /** One for each answer. */
    leavings,
    unreadies,
    failures,
    async stop() {
      abort.abort()
      await running
    },
  }
}
