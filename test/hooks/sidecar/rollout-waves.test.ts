import t from 'tap'
import { inWave, parseWaves } from '../../../hooks/sidecar/rollout-waves.ts'

const names = Array.from({ length: 2000 }, (_, index) => `app-${index}`)
const share = (text: string, namespace = 'prod') => {
  const waves = parseWaves(text)
  return names.filter(name => inWave(waves, namespace, name))
}

t.test('a share of each namespace, near what was asked for', async t => {
  for (const percent of [1, 10, 50, 90]) {
    const part = share(`prod=${percent}`).length / names.length
    t.ok(Math.abs(part * 100 - percent) < 4, `${percent} %: ${part * 100}`)
  }
  t.equal(share('prod=0').length, 0)
  t.equal(share('prod=100').length, names.length)
})

t.test('a larger share holds the smaller one', async t => {
  const larger = new Set(share('prod=30'))
  for (const name of share('prod=10')) if (!larger.has(name)) t.fail(name)
})

t.test('a namespace by its name, else the star, else nobody', async t => {
  t.equal(share('prod=0,*=100').length, 0)
  t.equal(share('*=100, prod=0', 'dev').length, names.length)
  t.equal(share('prod=100', 'dev').length, 0)
  t.notSame(share('*=20', 'dev'), share('*=20', 'prod'), 'not the same ones everywhere')
})

t.test('what cannot be read is named', async t => {
  for (const bad of [
    '',
    '10',
    'prod',
    'prod=',
    'prod=101',
    'prod=-1',
    'prod=1.5',
    'Prod=1',
    '*=1,',
    'a=1=2',
    '-a=1',
    '**=1',
  ]) {
    t.throws(() => parseWaves(bad), { message: /must be the name of a namespace/ }, bad)
  }
  t.throws(() => parseWaves('a=1,a=2'), { message: 'a is listed twice' })
})
