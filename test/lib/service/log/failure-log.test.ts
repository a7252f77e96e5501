import t from 'tap'
import { upstreamError } from '../../../../lib/bridge/socket/upstream-errors.ts'
import { serviceError } from '../../../../lib/service/http/errors.ts'
import { FailureLog, pathOnly } from '../../../../lib/service/log/failure-log.ts'
import { createLogger } from '../../../../lib/service/log/log.ts'

t.test(
  'one line for each code in ten seconds, without a stack, and the number of those that were not said',
  async t => {
    const lines: Record<string, unknown>[] = []
    const log = createLogger('test', 'here', 'info', { write: line => void lines.push(JSON.parse(line)) })
    let now = 0
    const failures = new FailureLog(log, 'request failed', () => now)
    const down = upstreamError('UPSTREAM_UNREACHABLE', '10.0.0.1:3000', 'ECONNREFUSED')
    for (let n = 0; n < 1000; n++) failures.add(down, { path: '/chat' })
    failures.add(new Error('a fault of ours'), { path: '/chat' })
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
    failures.add(down, { path: '/chat' })
    t.match(lines[2], { suppressed: 999 })
    t.equal(lines.length, 3)
  },
)

t.test('refusals of strangers have a message of their own, and say where they came from', t => {
  const lines: Record<string, unknown>[] = []
  const log = createLogger('test', 'here', 'info', { write: line => void lines.push(JSON.parse(line)) })
  const refusals = new FailureLog(log, 'hook refused')
  for (let n = 0; n < 1000; n++)
    refusals.add(serviceError('UNAUTHORIZED'), { path: pathOnly('/sync?token=x'), remote: '10.0.0.9' })
  t.match(lines, [{ msg: 'hook refused', code: 'WSO_ERR_UNAUTHORIZED', path: '/sync', remote: '10.0.0.9' }])
  t.equal(lines.length, 1)
  t.end()
})
