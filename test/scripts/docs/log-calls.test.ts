import t from 'tap'
import { logCalls } from '../../../scripts/docs/log-calls.ts'

const call = (levels: string[], message: string | undefined, fields: string[] = []) => ({ levels, message, fields })

t.test('calls of a logger are found, wherever the logger is', async t => {
  t.strictSame(logCalls("this.#options.log.info({ user: context.user, reason }, 'moved')"), [
    call(['info'], 'moved', ['user', 'reason']),
  ])
  t.strictSame(logCalls("request.log.error({ err: error }, 'a, (b')\nlog.info('stopped')"), [
    call(['error'], 'a, (b', ['err']),
    call(['info'], 'stopped'),
  ])
  t.strictSame(logCalls('catalog.info(1)'), [])
})

t.test('what varies in a message is left out', async t => {
  t.strictSame(logCalls(`log.fatal(\`cannot start: ${'$'}{error.message}\`)`), [call(['fatal'], 'cannot start: …')])
  t.strictSame(logCalls('log.warn({ code }, this.#message)'), [call(['warn'], undefined, ['code'])])
})

t.test('a level that is chosen is each of those', async t => {
  t.strictSame(logCalls("log[isOurs ? 'warn' : 'debug']({ ...end }, 'ended')"), [call(['warn', 'debug'], 'ended')])
  t.strictSame(logCalls("const level = known ? 'warn' : 'info'\nthis.#log[level]('x')"), [call(['warn', 'info'], 'x')])
})
