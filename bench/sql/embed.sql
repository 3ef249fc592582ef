-- What `embed` of scenarios.py asks, with lists as JSON of PostgreSQL.
SELECT "lists"."id", "lists"."name", (SELECT coalesce(json_agg("r".*), '[]') FROM (
    SELECT "todos_1"."id", "todos_1"."title", (SELECT coalesce(json_agg("r".*), '[]') FROM (
        SELECT "comments_2"."id", "comments_2"."body" FROM "public"."comments" AS "comments_2"
         WHERE "comments_2"."todo_id" = "todos_1"."id" LIMIT 1000) AS "r") AS "comments"
      FROM "public"."todos" AS "todos_1" WHERE "todos_1"."list_id" = "lists"."id" LIMIT 1000) AS "r") AS "todos"
  FROM "public"."lists" AS "lists" LIMIT 2
