
type Schemas = Omit<Database, "__InternalSupabase">

type DefaultSchema = Schemas["public"]

type SchemaOf<Place> = Place extends {
  schema: infer Name extends keyof Schemas
}
  ? Schemas[Name]
  : never

type Relations<Schema extends { Tables: unknown; Views: unknown }> =
  Schema["Tables"] & Schema["Views"]

type Choice<Place, Name, Here, There> = Place extends { schema: keyof Schemas }
  ? There[Name & keyof There]
  : Here[Place & keyof Here]

type Field<Relation, Name> = Name extends keyof Relation
  ? Relation[Name]
  : never

export type Tables<
  NameOrSchema extends
    keyof Relations<DefaultSchema> | { schema: keyof Schemas },
  Name extends keyof Relations<SchemaOf<NameOrSchema>> = never,
> = Field<
  Choice<
    NameOrSchema,
    Name,
    Relations<DefaultSchema>,
    Relations<SchemaOf<NameOrSchema>>
  >,
  "Row"
>

export type TablesInsert<
  NameOrSchema extends
    keyof DefaultSchema["Tables"] | { schema: keyof Schemas },
  Name extends keyof SchemaOf<NameOrSchema>["Tables"] = never,
> = Field<
  Choice<
    NameOrSchema,
    Name,
    DefaultSchema["Tables"],
    SchemaOf<NameOrSchema>["Tables"]
  >,
  "Insert"
>

export type TablesUpdate<
  NameOrSchema extends
    keyof DefaultSchema["Tables"] | { schema: keyof Schemas },
  Name extends keyof SchemaOf<NameOrSchema>["Tables"] = never,
> = Field<
  Choice<
    NameOrSchema,
    Name,
    DefaultSchema["Tables"],
    SchemaOf<NameOrSchema>["Tables"]
  >,
  "Update"
>

export type Enums<
  NameOrSchema extends keyof DefaultSchema["Enums"] | { schema: keyof Schemas },
  Name extends keyof SchemaOf<NameOrSchema>["Enums"] = never,
> = Choice<
  NameOrSchema,
  Name,
  DefaultSchema["Enums"],
  SchemaOf<NameOrSchema>["Enums"]
>

export type CompositeTypes<
  NameOrSchema extends
    keyof DefaultSchema["CompositeTypes"] | { schema: keyof Schemas },
  Name extends keyof SchemaOf<NameOrSchema>["CompositeTypes"] = never,
> = Choice<
  NameOrSchema,
  Name,
  DefaultSchema["CompositeTypes"],
  SchemaOf<NameOrSchema>["CompositeTypes"]
>
