import t from 'tap'
import { ANNOTATIONS, WRITTEN } from '../../../hooks/annotations/annotations.ts'
import { readSettings } from '../../../hooks/annotations/read-annotations.ts'

t.test('reads what is annotated and nothing else', async t => {
  t.same(readSettings(), { ok: true, settings: {} })
  t.same(readSettings({ 'team/route': 'x', 'ws.operatorx/route': 'x', route: 'x' }), { ok: true, settings: {} })
  t.same(readSettings({ 'ws.operator/app-port': ' 8080 ', 'ws.operator/route': 'both' }), {
    ok: true,
    settings: { 'app-port': 8080, route: 'both' },
  })
})

t.test('what the operator writes is never wrong', async t => {
  const written = Object.fromEntries(Object.keys(WRITTEN).map(name => [`ws.operator/${name}`, '?']))
  t.same(readSettings(written), { ok: true, settings: {} })
})

t.test('all problems at once, in the order of the names, whatever the order of the map', async t => {
  const annotations = { 'ws.operator/route': 'x', 'ws.operator/balancer': 'y', 'ws.operator/sidecar-upgrade': 'auto' }
  const reversed = Object.fromEntries(Object.entries(annotations).reverse())
  const result = readSettings(annotations)
  t.same(result, readSettings(reversed))
  t.match(result, {
    ok: false,
    problems: [
      /^ws\.operator\/balancer /,
      /^ws\.operator\/route /,
      /^ws\.operator\/sidecar-upgrade must be one of rollout, now /,
    ],
  })
})

t.test('names that objects inherit are unknown annotations, not values', async t => {
  for (const name of ['constructor', '__proto__', 'toString']) {
    t.match(readSettings({ [`ws.operator/${name}`]: '1' }), { ok: false, problems: [/is not an annotation/] }, name)
  }
})

t.test(
  'a NUL, or another control character, is refused in every annotation: no container starts with one in its environment',
  async t => {
    for (const name of Object.keys(ANNOTATIONS)) {
      for (const bad of ['query:a\0b', 'a\u001bb', 'a\nb', 'a\u0085b'])
        t.match(readSettings({ [`ws.operator/${name}`]: bad }), { ok: false, problems: [/^ws\.operator\//] }, name)
    }
  },
)

t.test('a long value does not make a long message', async t => {
  const result = readSettings({ 'ws.operator/route': 'x'.repeat(100_000) })
  t.ok(!result.ok && result.problems[0]!.length < 200)
})
