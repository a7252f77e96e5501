import t from 'tap'
import { FailureLog } from '../../../lib/proxy/failure-log.ts'
import { upstreamError } from '../../../lib/proxy/upstream-errors.ts'
import { createLogger } from '../../../lib/service/log.ts'

t.test(
  'one line for each code in ten seconds, without a stack, and the number of those that were not said',
  async t => {
    const lines: Record<string, unknown>[] = []
    const log = createLogger('test', 'here', 'info', { write: line => void lines.push(JSON.parse(line)) })
    let now = 0
    const failures = new FailureLog(log, () => now)
    const down = upstreamError('UPSTREAM_UNREACHABLE', '10.0.0.1:3000', 'ECONNREFUSED')
    for (let n = 0; n < 1000; n++) failures.add(down, '/chat')
    failures.add(new Error('a fault of ours'), '/chat')
    t.match(lines, [
      {
        level: 'warn',
        msg: 'request failed',
        code: 'WSO_ERR_UPSTREAM_UNREACHABLE',
        reason: 'the upstream cannot be reached: ECONNREFUSED',
        upstream: '10.0.0.1:3000',
        path: '/chat',
      },
      { level: 'error', err: { message: 'a fault of ours', stack: /failure-log/ } },
    ])
    t.equal(lines[0]?.['err'], undefined)
    now = 10_000
    failures.add(down, '/chat')
    t.match(lines[2], { suppressed: 999 })
    t.equal(lines.length, 3)
  },
)
