import t from 'tap'
import { createConsole } from '../../local/console.ts'

function written(use: (console: ReturnType<typeof createConsole>) => void): string[] {
  const lines: string[] = []
  use(createConsole(line => lines.push(line)))
  return lines
}

t.test('steps are numbered, and what belongs to one is indented', async t => {
  const lines = written(({ title, step, detail, check, failure }) => {
    title('Demo')
    step('Start')
    detail('3 pods')
    step('Check')
    check(true, 'reached')
    check(false, 'lost')
    failure('no port')
  })
  t.strictSame(lines, [
    'Demo',
    '\n1. Start',
    '   3 pods',
    '\n2. Check',
    '   ok      reached',
    '   FAILED  lost',
    '\nFAILED: no port',
  ])
})

t.test('an event has the time of day', async t => {
  t.match(
    written(({ event }) => event('a pod is ready')),
    [/^ {3}\d\d:\d\d:\d\d {2}a pod is ready$/],
  )
})

t.test('text of users cannot move the cursor', async t => {
  const [line] = written(({ detail }) => detail('a\u001b[2Jb\rc\td\u009be\u007ff'))
  t.equal(line, '   a\ufffd[2Jb\ufffdc\ufffdd\ufffde\ufffdf')
})
