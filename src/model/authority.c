#include "model/authority.h"

bool authority_name_valid(struct str name)
{
    if (name.len == 0 || name.len > AUTHORITY_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_' && c != '.')
            return false;
    }
    return true;
}

struct authority authority_copy(struct arena *mem, const struct authority *authority)
{
    struct authority copy = *authority;
    copy.name = str_copy(mem, authority->name);
    copy.certificate = str_copy(mem, authority->certificate);
    copy.fingerprint = str_copy(mem, authority->fingerprint);
    copy.code = str_copy(mem, authority->code);
    return copy;
}

struct authority *authority_find(struct authority *all, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq_nocase(all[i].name, name))
            return &all[i];
    return NULL;
}
