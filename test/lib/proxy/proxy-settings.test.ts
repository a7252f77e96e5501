import t from 'tap'
import { connectionLimit, plainLimits } from '../../../lib/proxy/proxy-settings.ts'
import { openFilesLimit } from '../../../lib/service/open-files.ts'

t.test('as many connections as the limit of open files allows, two for each, unless it is set', async t => {
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, 20_000), 9872)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, 100), 1)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 7 }, 20_000), 7)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 10_000 }, 20_000), 9872)
  t.ok(openFilesLimit() > 100)
})

t.test(
  'plain connections: what memory allows, at most half of what files allow, three in four of them with a request',
  async t => {
    const MiB = 1024 * 1024
    const of = (set: number, openFiles: number, memory: number) =>
      plainLimits({ MAX_PLAIN_CONNECTIONS: set }, openFiles, memory)
    t.strictSame(of(0, 20_000, 0), { connections: 4936, requests: 3702, all: 9936 }, 'by files')
    t.strictSame(of(0, 20_000, 192 * MiB), { connections: 1536, requests: 1152, all: 9936 }, 'by memory')
    t.strictSame(of(0, 20_000, 1 * MiB), { connections: 64, requests: 48, all: 9936 }, 'never fewer than 64')
    t.strictSame(of(0, 100, 192 * MiB), { connections: 64, requests: 48, all: 65 }, 'nor with few files')
    t.strictSame(of(4, 20_000, 192 * MiB), { connections: 4, requests: 3, all: 9936 }, 'as set')
    t.strictSame(
      of(3000, 20_000, 192 * MiB),
      { connections: 3000, requests: 2250, all: 9936 },
      'above what memory allows',
    )
    t.strictSame(of(9000, 20_000, 0), { connections: 4936, requests: 3702, all: 9936 }, 'not above what files allow')
  },
)
