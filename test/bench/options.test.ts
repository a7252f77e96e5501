import t from 'tap'
import { type Options, parseOptions, unpublishable, wantsRouting } from '../../bench/options.ts'

const options = (...args: string[]) => parseOptions(args) as Options

t.test('options', async t => {
  t.match(options(), { repetitions: 3, warmup: 5, seconds: 4, idleConnections: 9000, quick: false, only: undefined })
  t.match(options('--repetitions', '5', '--warmup', '0.5', '--seconds', '2'), {
    repetitions: 5,
    warmup: 0.5,
    seconds: 2,
  })
  t.match(options('--only', 'idle,handshakes', '--peers', 'nginx,ours'), {
    only: ['idle', 'handshakes'],
    peers: ['nginx', 'ours'],
  })
  t.match(options('--connections', '500'), { idleConnections: 500 })
  t.equal(parseOptions(['--help']), undefined)
  t.equal(options('--quick').repetitions, 1)
  t.equal(options('--quick', '--repetitions', '2').repetitions, 2)
})

t.test('what is wrong with options is said', async t => {
  t.throws(() => options('--repetitions', '1.5'), /--repetitions 1.5: expected a whole number from 1 to 100/)
  t.throws(() => options('--seconds', ''), /--seconds : expected a number/)
  t.throws(() => options('--only', 'echo'), /--only echo: expected some of echo-1x128/)
  t.throws(() => options('--peers', 'envoy'), /--peers envoy: expected some of direct, nginx/)
  t.throws(() => options('--connections', '0'), /--connections 0: expected a whole number from 1 to 100000/)
  t.throws(() => options('--fast'), /--fast/)
})

t.test('only a whole run is published', async t => {
  t.equal(unpublishable(options(), []), undefined)
  t.equal(unpublishable(options('--repetitions', '5'), []), undefined)
  t.equal(unpublishable(options('--quick'), []), 'the run was quick')
  t.equal(unpublishable(options('--only', 'idle'), []), 'not everything was measured')
  t.equal(unpublishable(options('--programs', '/elsewhere'), []), 'the programs are those of another checkout')
  t.equal(unpublishable(options(), ['nginx']), 'a peer was left out')
  t.match(unpublishable(options('--repetitions', '2'), []), /3 repetitions/)
  t.match(unpublishable(options('--warmup', '1'), []), /after 5 s/)
  t.match(unpublishable(options('--connections', '100'), []), /9000 connections/)
  t.equal(unpublishable(options('--connections', '9500'), []), undefined)
})

t.test('routing is a part of a whole run, or asked for', async t => {
  t.ok(wantsRouting(options()))
  t.notOk(wantsRouting(options('--quick')))
  t.ok(wantsRouting(options('--quick', '--only', 'routing')))
  t.notOk(wantsRouting(options('--only', 'idle')))
})
