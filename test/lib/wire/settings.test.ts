import t from 'tap'
import { openFilesLimit } from '../../../lib/service/open-files.ts'
import { connectionLimit } from '../../../lib/wire/settings.ts'

t.test('as many connections as the limit of open files allows, two for each, unless it is set', async t => {
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, 20_000), 9872)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, 100), 1)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 0 }, Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 7 }, 20_000), 7)
  t.equal(connectionLimit({ MAX_CONNECTIONS: 10_000 }, 20_000), 9872)
  t.ok(openFilesLimit() > 100)
})
