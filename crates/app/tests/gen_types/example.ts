// What the types know (checked by tsc), and that the server agrees (run by Node).
import { createClient, type QueryData } from "@supabase/supabase-js"
import { Constants } from "./database.types.ts"
import type { CompositeTypes, Database, Enums, Json, Tables, TablesInsert, TablesUpdate } from "./database.types.ts"

declare const process: { env: Record<string, string> }

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Does not compile where the two are different types. */
function same<A, B>(..._proof: Same<A, B> extends true ? [] : ["these types differ"]) {}

function equal(found: unknown, expected: unknown) {
  const [a, b] = [JSON.stringify(found), JSON.stringify(expected)]
  if (a !== b) throw new Error(`${a} is not ${b}`)
}

async function data<T>(asked: PromiseLike<{ data: T; error: unknown }>): Promise<NonNullable<T>> {
  const { data, error } = await asked
  if (error || data === null || data === undefined) throw new Error(JSON.stringify(error))
  return data
}

const db = createClient<Database>(process.env.URL, process.env.SERVICE_KEY)

// Rows, and which columns a new one needs.
same<Tables<"books">["title"], string>()
same<Tables<"books">["meta"], Json | null>()
same<Tables<"books">["tags"], string[] | null>()
same<Tables<"books">["size"], "m" | "km" | null>()
same<Tables<"authors">["mail"], string | null>()
same<Tables<"authors">["others"], string[] | null>()
same<Tables<"authors">["shout"], string | null>()
same<Tables<"book_list">["title"], string | null>()
same<Tables<{ schema: "shop" }, "orders">["book"], Enums<"mood"> | null>()
same<Tables<{ schema: "shop" }, "orders">["author"], Tables<"authors"> | null>()
same<TablesInsert<{ schema: "shop" }, "orders">["id"], number>()
same<TablesUpdate<"books">["title"], string | undefined>()
same<TablesInsert<"odd names">["createdAt"], string | undefined>()
same<Enums<"mood">, "sad" | "so-so" | 'it\'s "fine"'>()
same<CompositeTypes<"address">["moods"], Enums<"mood">[] | null>()
same<(typeof Constants)["public"]["Enums"]["mood"], readonly ["sad", "so-so", 'it\'s "fine"']>()

const book: TablesInsert<"books"> = { title: "Notes", author_id: 1 }

// Embedded rows: one where the key is here, many where it is there, one where it is unique.
const books = db.from("books").select("id, title, authors(name, mood), shelves(label)").order("id")
type Book = QueryData<typeof books>[number]
same<Book["authors"], { name: string; mood: Enums<"mood"> }>()
same<Book["shelves"], { label: string | null }[]>()
const authors = db.from("authors").select("name, shout, books(title), passports(number), latest(title), written(id)").order("id")
type Author = QueryData<typeof authors>[number]
same<Author["shout"], string | null>()
same<Author["books"], { title: string }[]>()
same<Author["passports"], { number: string } | null>()
same<Author["latest"], { title: string } | null>()
same<Author["written"], { id: number }[]>()
const plain = db.from("authors").select("*")
same<"shout" extends keyof QueryData<typeof plain>[number] ? true : false, false>()
same<"initial" extends keyof QueryData<typeof plain>[number] ? true : false, false>()

equal((await data(books))[0], { id: 1, title: "Engines", authors: { name: "Ada", mood: "so-so" }, shelves: [{ label: "top" }] })
equal((await data(authors))[0], {
  name: "Ada",
  shout: "ADA",
  books: [{ title: "Engines" }, { title: "Engines II" }],
  passports: { number: "P-1" },
  latest: { title: "Engines II" },
  written: [{ id: 1 }, { id: 2 }],
})

// Functions: defaults, sets, rows, declared columns, overloads, a whole body.
equal(await data(db.rpc("add", { a: 1 })), 2)
equal(await data(db.rpc("add", { a: 1, b: 5 })), 6)
const counted = await data(db.rpc("counts"))
same<typeof counted, { author: string; books: number }[]>()
equal(counted[0], { author: "Ada", books: 2 })
const found = await data(db.rpc("search", { term: "engines" }).select("title, authors(name)"))
same<(typeof found)[number]["authors"], { name: string }>()
equal(found.length, 2)
const halves = await data(db.rpc("halves", { whole: 7 }))
same<typeof halves, { low: number; high: number }>()
equal(halves, { low: 3, high: 4 })
equal(await data(db.rpc("one_out")), { value: "x" })
const picked = await data(db.rpc("pick", { id: 1 }))
equal(picked[0].title, "Engines")
const moods = await data(db.rpc("pick", { title: "x", author: "y" }))
same<typeof moods, Enums<"mood">[]>()
equal(moods, ["sad"])
const home = await data(db.rpc("home_of", { author: 1 }))
same<typeof home, CompositeTypes<"address">>()
equal(home, { street: "Main St", moods: ["sad", "so-so"], built: "1815-12-10" })
equal(await data(db.rpc("all_of", { numbers: [1, 2, 3] })), 6)

// Writing.
const [made] = await data(db.from("books").insert(book).select())
equal([made.title, made.price, made.discounted], ["Notes", 0, 0])
const change: TablesUpdate<"books"> = { price: 20, sequel_to: null }
equal(await data(db.from("books").update(change).eq("id", made.id).select("discounted")), [{ discounted: 18 }])
equal(await data(db.from("book_list").update({ title: "Notes 2" }).eq("id", made.id).select("loud")), [{ loud: "NOTES 2" }])
equal((await db.from("poured").insert({ one: 2 })).error, null)
const odd = await data(db.from("odd names").select('"user-id", class, "1st"'))
equal(odd.length, 1)
await data(db.from("books").delete().eq("id", made.id).select())

// What must not compile; never called.
export function refused() {
  // @ts-expect-error the title is missing
  db.from("books").insert({ author_id: 1 })
  // @ts-expect-error PostgreSQL alone writes it
  db.from("authors").insert({ name: "x", id: 1 })
  // @ts-expect-error it is computed
  db.from("books").update({ discounted: 1 })
  // @ts-expect-error an expression of a view
  db.from("book_list").update({ loud: "x" })
  // @ts-expect-error no column of a table
  db.from("authors").insert({ name: "x", shout: "X" })
  // @ts-expect-error not null
  db.from("books").update({ title: null })
  // @ts-expect-error no value of the enum
  db.from("authors").update({ mood: "furious" })
  // @ts-expect-error no such table
  db.from("bookz").select()
  // @ts-expect-error a view that cannot be written
  db.from("summary").insert({ books: 1 })
  // @ts-expect-error required
  db.rpc("add", { b: 1 })
  // @ts-expect-error of another type
  db.rpc("search", { term: 1 })
  // @ts-expect-error no such function
  db.rpc("ad", { a: 1 })
  // @ts-expect-error no such schema
  type _Nothing = Tables<{ schema: "shops" }, "orders">
  // @ts-expect-error no such table there
  type _NoTable = Tables<{ schema: "shop" }, "books">
}
console.log("agreed")
